"""Everything that is kept sealed, wherever its row is: how it lies there, and sealing what lies readable."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, InvalidRequest
from ionmesh.models import ServerSecret, TotpSecret, Webhook
from ionmesh.sealing import is_readable, seal, unseal

_Row = ServerSecret | TotpSecret | Webhook
_KINDS: tuple[type[_Row], ...] = (ServerSecret, TotpSecret, Webhook)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many secrets lie there in each way."""

    sealed: int
    readable: int
    otherwise: int
    """Sealed, but not with this pepper."""


def tally(session: Session, pepper: str) -> Tally:
    """Return how the secrets lie there for a server with this pepper."""
    sealed = readable = otherwise = 0
    for kind in _KINDS:
        for kept in session.scalars(select(kind.sealed)):
            if is_readable(kept):
                readable += 1
            elif _opens(kept, pepper):
                sealed += 1
            else:
                otherwise += 1
    return Tally(sealed, readable, otherwise)


def seal_readable(session: Session, pepper: str) -> int:
    """Seal what lies readable and return how many that were. Raises InvalidRequest without a pepper."""
    if not pepper:
        raise InvalidRequest("no_pepper", "there is nothing to seal with: set IONMESH_KEY_PEPPER")
    count = 0
    for kind in _KINDS:
        # Held, so that none is replaced by another secret meanwhile.
        for row in session.scalars(select(kind).with_for_update()):
            if is_readable(row.sealed):
                row.sealed = seal(unseal(row.sealed, pepper), pepper)
                count += 1
    return count


def _opens(kept: str, pepper: str) -> bool:
    try:
        unseal(kept, pepper)
    except Conflict:
        return False
    return True
