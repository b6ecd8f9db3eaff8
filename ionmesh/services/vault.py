"""Secrets the server makes for itself once and needs ever after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from ionmesh.db import serialise
from ionmesh.models import ServerSecret
from ionmesh.sealing import seal, unseal


def recall(session: Session, name: str, pepper: str) -> str | None:
    """Return a secret; None: there is none yet. Raises Conflict when it was sealed with another pepper."""
    found = session.get(ServerSecret, name)
    return None if found is None else unseal(found.sealed, pepper)


def obtain(session: Session, name: str, make: Callable[[], str], pepper: str, now: datetime) -> str:
    """Return a secret, made now if there is none; of processes that ask at once one makes it."""
    serialise(session, "secret", name)
    known = recall(session, name, pepper)
    if known is not None:
        return known
    made = make()
    session.add(ServerSecret(name=name, sealed=seal(made, pepper), created_at=now))
    return made
