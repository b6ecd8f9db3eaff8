"""Secrets, apart from the rows that are listed: the server's own, and people's second factors."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ionmesh.models.base import Base


class ServerSecret(Base):
    """A secret the server made for itself at first use."""

    __tablename__ = "server_secrets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class TotpSecret(Base):
    """A person's second factor (RFC 6238)."""

    __tablename__ = "totp_secrets"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    """None: the first code has not been shown yet, so signing in does not ask for one."""
    last_step: Mapped[int] = mapped_column(BigInteger)
    """The time step of the last code taken; a code is good once."""


class RecoveryCode(Base):
    """A code for when the second factor is lost: good once, kept as a hash."""

    __tablename__ = "recovery_codes"
    __table_args__ = (Index("ix_recovery_codes_user", "user_id"),)

    code_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    code_hash: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime | None]
