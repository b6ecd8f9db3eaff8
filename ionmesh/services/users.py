"""People of a tenant. Passwords are kept as argon2id hashes and take about a tenth of a second to check."""

from __future__ import annotations

import functools
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, InvalidRequest, NotFound, SignInRefused, Unauthorized
from ionmesh.models import Role, User
from ionmesh.services import audit

ADDRESS_PATTERN = r"^[^@\s]{1,64}@[A-Za-z0-9.-]{1,189}$"
PASSWORD_MIN = 12
# argon2 would take a longer one too, but somebody has to type it.
PASSWORD_MAX = 256

_ADDRESS = re.compile(ADDRESS_PATTERN)
# Commands remember who queued them in a column of this width.
_ACTOR_LENGTH = 64
_HASHER = PasswordHasher()


def create(
    session: Session,
    tenant_id: int,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
    actor: str,
    now: datetime,
) -> User:
    """Create a user.

    Raises InvalidRequest for what is no address and for a password too short or too long, Conflict for an
    address in use, in whatever tenant.
    """
    if not _ADDRESS.fullmatch(email) or "\0" in email:
        raise InvalidRequest("bad_email", "email is not an address like name@example.com")
    _check_password(password)
    email = email.lower()
    if session.scalar(select(User.user_id).where(User.email == email)) is not None:
        raise Conflict("user_exists", "a user with this address exists already")
    user = User(
        tenant_id=tenant_id,
        email=email,
        name=name,
        role=role,
        password_hash=_HASHER.hash(password),
        enabled=True,
        created_at=now,
    )
    session.add(user)
    session.flush()
    _record(session, user, "user_created", actor, now, email=email, role=role.value)
    return user


def actor(user: User) -> str:
    """Return a user's name in the audit log."""
    return user.email if len(user.email) <= _ACTOR_LENGTH else f"user {user.user_id}"


def listed(session: Session, tenant_id: int) -> Sequence[User]:
    """Return the tenant's users by address."""
    return session.scalars(select(User).where(User.tenant_id == tenant_id).order_by(User.email)).all()


def find(session: Session, tenant_id: int, user_id: int) -> User:
    """Return one user. Raises NotFound."""
    user = session.get(User, user_id)
    if user is None or user.tenant_id != tenant_id:
        raise NotFound("no_user", f"no user {user_id}")
    return user


def by_address(session: Session, email: str) -> User:
    """Return the user, of whatever tenant, with that address. Raises NotFound."""
    user = session.scalar(select(User).where(User.email == email.lower()))
    if user is None:
        raise NotFound("no_user", f"no user {email!r}")
    return user


def change(
    session: Session, tenant_id: int, user_id: int, values: dict[str, Any], actor: str, now: datetime
) -> User:
    """Change name, role, enabled or password; another password ends the user's sessions.

    Raises NotFound, InvalidRequest as `create`, Conflict when no enabled owner would be left.
    """
    user = find(session, tenant_id, user_id)
    password = values.get("password")
    for name, value in values.items():
        if name != "password":
            setattr(user, name, value)
    if password is not None:
        _check_password(password)
        user.password_hash = _HASHER.hash(password)
    _keep_an_owner(session, tenant_id, "role" in values or "enabled" in values)
    _record(session, user, "user_changed", actor, now, changed=sorted(values))
    return user


def delete(session: Session, tenant_id: int, user_id: int, actor: str, now: datetime) -> None:
    """Delete a user. Raises NotFound, Conflict when no enabled owner would be left."""
    user = find(session, tenant_id, user_id)
    was_owner = user.role is Role.OWNER
    session.delete(user)
    _keep_an_owner(session, tenant_id, was_owner)
    _record(session, user, "user_deleted", actor, now, email=user.email)


def authenticate(session: Session, email: str, password: str) -> User:
    """Return the user. Raises SignInRefused when the address is a user's, Unauthorized when it is nobody's.

    Both say the same to the caller, and take the same time.
    """
    user = session.scalar(select(User).where(User.email == email.lower()))
    try:
        _HASHER.verify(user.password_hash if user is not None else _nobodys_hash(), password)
    except VerifyMismatchError as error:
        raise _refusal(user) from error
    if user is None or not user.enabled:
        raise _refusal(user)
    return user


def _refusal(user: User | None) -> Unauthorized:
    return Unauthorized("unauthorized", "Unauthorized") if user is None else SignInRefused(user.user_id)


def _check_password(password: str) -> None:
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX or "\0" in password:
        raise InvalidRequest("bad_password", f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters")


@functools.cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe())


def _keep_an_owner(session: Session, tenant_id: int, at_stake: bool) -> None:
    if not at_stake:
        return
    session.flush()
    users = listed(session, tenant_id)
    if users and not any(user.role is Role.OWNER and user.enabled for user in users):
        raise Conflict("last_owner", "a tenant with users needs an enabled owner")


def _record(session: Session, user: User, action: str, actor: str, now: datetime, **details: object) -> None:
    audit.record(
        session,
        tenant_id=user.tenant_id,
        actor=actor,
        action=action,
        subject=f"user {user.user_id}",
        now=now,
        **details,
    )
