"""A person's second factor: time-based codes (RFC 6238: SHA-1, six digits, 30 s) and recovery codes.

The codes' secret is sealed; recovery codes are 80 random bits each, so a plain SHA-256 of them is the right
hash. How often somebody may guess is the caller's to limit.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from ionmesh.errors import Conflict, InvalidRequest, NotFound, Unauthorized
from ionmesh.models import RecoveryCode, TotpSecret, User
from ionmesh.sealing import seal, unseal
from ionmesh.services import audit, users

ISSUER = "IonMesh"
RECOVERY_CODES = 10
_PERIOD_S = 30
# A phone's clock may be off by one step in either direction (RFC 6238, 5.2).
_DRIFT_STEPS = (-1, 0, 1)
_RECOVERY_BYTES = 10
_GROUP = 4


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a person's authenticator is to know; shown this once."""

    secret: str = field(repr=False)
    """Base32, for typing."""
    uri: str = field(repr=False)
    """`otpauth://`, for a QR code."""


def enabled(session: Session, user_id: int) -> bool:
    """Whether signing in asks the user for a code."""
    confirmed = select(TotpSecret.user_id).where(
        TotpSecret.user_id == user_id, TotpSecret.confirmed_at.is_not(None)
    )
    return session.scalar(confirmed) is not None


def enabled_users(session: Session, tenant_id: int) -> set[int]:
    """Return the ids of the tenant's users whom signing in asks for a code."""
    confirmed = (
        select(TotpSecret.user_id)
        .join(User, User.user_id == TotpSecret.user_id)
        .where(User.tenant_id == tenant_id, TotpSecret.confirmed_at.is_not(None))
    )
    return set(session.scalars(confirmed))


def enrol(session: Session, user: User, *, pepper: str, now: datetime) -> Enrolment:
    """Make a secret for a user; it counts once `confirm` was given a code of it, an earlier try is replaced.

    Raises Conflict when the second factor is on already.
    """
    found = session.get(TotpSecret, user.user_id)
    if found is not None and found.confirmed_at is not None:
        raise Conflict("second_factor_on", "the second factor is on already")
    if found is None:
        found = TotpSecret(user_id=user.user_id)
        session.add(found)
    secret = pyotp.random_base32()
    found.sealed, found.created_at, found.last_step = seal(secret, pepper), now, 0
    uri = pyotp.TOTP(secret).provisioning_uri(name=user.email, issuer_name=ISSUER)
    return Enrolment(secret, uri)


def confirm(session: Session, user: User, code: str, *, pepper: str, now: datetime) -> list[str]:
    """Turn the second factor on with the first code. Returns the recovery codes, which are not kept.

    Raises InvalidRequest for a wrong code, NotFound without `enrol`, Conflict when it is on already.
    """
    found = _locked(session, user.user_id)
    if found is None:
        raise NotFound("no_enrolment", "no second factor was begun")
    if found.confirmed_at is not None:
        raise Conflict("second_factor_on", "the second factor is on already")
    if not _take_code(found, code, pepper, now):
        raise InvalidRequest("bad_code", "the code is wrong")
    found.confirmed_at = now
    _record(session, user, "second_factor_on", users.actor(user), now)
    return _new_codes(session, user.user_id)


def verify(session: Session, user_id: int, code: str, *, pepper: str, now: datetime) -> None:
    """Take a code of the authenticator, or a recovery code; either is good once. Raises Unauthorized."""
    found = _locked(session, user_id)
    if found is None or found.confirmed_at is None:
        raise Unauthorized("unauthorized", "Unauthorized")
    if not _take_code(found, code, pepper, now) and not _take_recovery_code(session, user_id, code, now):
        raise Unauthorized("bad_code", "the code is wrong")


def renew_codes(session: Session, user: User, now: datetime) -> list[str]:
    """Return new recovery codes in place of all earlier ones. Raises NotFound when the factor is off."""
    _refuse_off(session, user)
    _record(session, user, "recovery_codes_renewed", users.actor(user), now)
    return _new_codes(session, user.user_id)


def codes_left(session: Session, user_id: int) -> int:
    """Return how many recovery codes are still good."""
    unused = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalar(unused) or 0


def disable(session: Session, user: User, actor: str, now: datetime) -> None:
    """Turn the second factor off and forget its secret and recovery codes. Raises NotFound when it is off."""
    _refuse_off(session, user)
    for table in (TotpSecret, RecoveryCode):
        session.execute(
            delete(table).where(table.user_id == user.user_id).execution_options(synchronize_session="fetch")
        )
    _record(session, user, "second_factor_off", actor, now)


def _refuse_off(session: Session, user: User) -> None:
    if not enabled(session, user.user_id):
        raise NotFound("second_factor_off", "the second factor is off")


def _locked(session: Session, user_id: int) -> TotpSecret | None:
    return session.get(TotpSecret, user_id, with_for_update=True, populate_existing=True)


def _take_code(found: TotpSecret, code: str, pepper: str, now: datetime) -> bool:
    totp = pyotp.TOTP(unseal(found.sealed, pepper))
    presented = code.replace(" ", "").encode("utf-8", "replace")
    current = int(now.timestamp()) // _PERIOD_S
    for step in (current + drift for drift in _DRIFT_STEPS):
        if step > found.last_step and hmac.compare_digest(totp.generate_otp(step).encode(), presented):
            found.last_step = step
            return True
    return False


def _take_recovery_code(session: Session, user_id: int, code: str, now: datetime) -> bool:
    taken = session.execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == _hash(code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.code_id)
        .execution_options(synchronize_session=False)
    )
    return taken.first() is not None


def _new_codes(session: Session, user_id: int) -> list[str]:
    session.execute(
        delete(RecoveryCode)
        .where(RecoveryCode.user_id == user_id)
        .execution_options(synchronize_session=False)
    )
    codes = [_written(secrets.token_bytes(_RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, code_hash=_hash(code)) for code in codes)
    return codes


def _written(random: bytes) -> str:
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def _hash(code: str) -> str:
    plain = code.strip().lower().replace("-", "").replace(" ", "")
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()


def _record(session: Session, user: User, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        tenant_id=user.tenant_id,
        actor=actor,
        action=action,
        subject=f"user {user.user_id}",
        now=now,
    )
