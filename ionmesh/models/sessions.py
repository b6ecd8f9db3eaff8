"""Sign-ins of people, kept in the database so that each can be ended."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ionmesh.models.base import Base
from ionmesh.models.tenants import User


class UserSession(Base):
    """One browser of a user's; found by the SHA-256 of the token that only the browser has."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user", "user_id"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.user_id", ondelete="CASCADE"))
    password_mark: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the password's hash at sign-in: with another password the session is over."""
    complete: Mapped[bool]
    """False: the password was right and a second factor is still to come."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """At a resolution of a minute."""
    source_ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(String(200))

    user: Mapped[User] = relationship()
