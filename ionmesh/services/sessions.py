"""Sign-ins of people: begun with a password, completed with a second factor where there is one, ended.

A token is 256 random bits that only the browser has; the database has its SHA-256. A session ends after half
a day without a request, after a week whatever happens, and with a change of the user's password.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, contains_eager, joinedload

from ionmesh.models import Tenant, User
from ionmesh.models.sessions import UserSession

IDLE = timedelta(hours=12)
LIFE = timedelta(days=7)
# A password alone opens nothing when a second factor is set; it need not be remembered for long.
HALF_WAY = timedelta(minutes=5)
_TOUCH_EVERY = timedelta(minutes=1)
_TOKEN_BYTES = 32
_AGENT_LENGTH = 200


def begin(
    session: Session,
    user: User,
    *,
    complete: bool,
    source_ip: str | None,
    user_agent: str,
    now: datetime,
) -> str:
    """Begin a session and return its token; `complete` False leaves it good for the second factor only."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        UserSession(
            token_hash=_hash(token),
            user_id=user.user_id,
            password_mark=_hash(user.password_hash),
            complete=complete,
            created_at=now,
            seen_at=now,
            source_ip=source_ip,
            user_agent=user_agent[:_AGENT_LENGTH],
        )
    )
    return token


def find(session: Session, token: str, now: datetime) -> UserSession | None:
    """Return the session a token stands for, its user loaded; None: unknown, over, or its user may not in."""
    found = session.scalar(
        select(UserSession)
        .join(UserSession.user)
        .join(Tenant, Tenant.tenant_id == User.tenant_id)
        .where(UserSession.token_hash == _hash(token), User.enabled, Tenant.enabled)
        .options(contains_eager(UserSession.user))
    )
    return None if found is None or _is_over(found, now) else found


def touch_due(found: UserSession, now: datetime) -> bool:
    """Whether `touch` has something to write: at most once a minute."""
    return now - found.seen_at >= _TOUCH_EVERY


def touch(session: Session, found: UserSession, now: datetime) -> None:
    """Note that a session is in use."""
    session.execute(
        update(UserSession)
        .where(UserSession.token_hash == found.token_hash)
        .values(seen_at=now)
        .execution_options(synchronize_session=False)
    )


def end(session: Session, token: str) -> None:
    """End a session; one that does not exist is ended already."""
    session.execute(delete(UserSession).where(UserSession.token_hash == _hash(token)))


def end_others(session: Session, user_id: int, token: str) -> None:
    """End every session of a user's but the one with that token."""
    session.execute(
        delete(UserSession).where(UserSession.user_id == user_id, UserSession.token_hash != _hash(token))
    )


def listed(session: Session, user_id: int, now: datetime) -> Sequence[UserSession]:
    """Return a user's complete sessions that are not over, the latest used first."""
    rows = session.scalars(
        select(UserSession)
        .where(UserSession.user_id == user_id, UserSession.complete)
        .options(joinedload(UserSession.user))
        .order_by(UserSession.seen_at.desc())
    )
    return [row for row in rows if not _is_over(row, now)]


def drop_old(session: Session, now: datetime) -> None:
    """Delete sessions that are over by their age or idleness."""
    session.execute(
        delete(UserSession)
        .where((UserSession.created_at < now - LIFE) | (UserSession.seen_at < now - IDLE))
        .execution_options(synchronize_session=False)
    )


def _is_over(found: UserSession, now: datetime) -> bool:
    if not found.complete and now - found.created_at >= HALF_WAY:
        return True
    if now - found.created_at >= LIFE or now - found.seen_at >= IDLE:
        return True
    return found.password_mark != _hash(found.user.password_hash)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
