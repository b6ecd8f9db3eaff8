"""Tenants' API keys: made once, kept as a hash, checked in constant time.

A key reads `imk_live_` + 8 characters that find its row + 32 secret characters (190 bits) + a CRC-32 in six
characters, so that a mistyped or cut-off key is recognised without the database. The secret is random over
its whole length, so a plain SHA-256 is the right hash: a password hash would cost every request its delay.
With a pepper, a secret of the server's that is not in the database, it is an HMAC-SHA-256; keys made before
there was one stay good.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session, joinedload

from ionmesh.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    KeyEnded,
    KeyMismatch,
    NotFound,
    Unauthorized,
)
from ionmesh.models import ApiKey, Scope, Tenant
from ionmesh.services import audit

_ALPHABET = string.digits + string.ascii_letters
_MARK = "imk_live_"
_ID_LENGTH = 8
_SECRET_LENGTH = 32
_CRC_LENGTH = 6
_SHAPE = re.compile(rf"{_MARK}[0-9A-Za-z]{{{_ID_LENGTH + _SECRET_LENGTH + _CRC_LENGTH}}}\Z")
_TOUCH_EVERY = timedelta(minutes=1)
_INCLUDED = {
    Scope.REMSIM: frozenset({Scope.REMSIM}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.ADMIN: frozenset({Scope.REMSIM, Scope.READ, Scope.ADMIN}),
    Scope.PLATFORM: frozenset(Scope),
}

LegacyNetworks = Sequence[tuple[int, Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]]]
"""Tenants by id, each with the networks it lets in without a key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: the tenants the call may be for (one, with a key), and what it may do."""

    name: str
    """For the audit log: the key's public prefix, or `legacy` and the address."""
    tenant_ids: tuple[int, ...]
    scopes: frozenset[Scope]
    key_id: int | None = None
    expires_at: datetime | None = None

    def tenant(self, claimed: int | None) -> int:
        """Return the tenant the call is for.

        Raises Forbidden when the claim is another tenant, InvalidRequest when a claim is needed.
        """
        if claimed is not None:
            if claimed not in self.tenant_ids:
                raise Forbidden("tenant_mismatch", "tenant_id does not belong to this caller")
            return claimed
        if len(self.tenant_ids) != 1:
            raise InvalidRequest("tenant_required", "tenant_id is required")
        return self.tenant_ids[0]

    def may(self, scope: Scope) -> bool:
        """Whether the caller may do what `scope` names."""
        return any(scope in _INCLUDED[held] for held in self.scopes)

    def require(self, scope: Scope) -> None:
        """Raise Forbidden unless the caller may do what `scope` names."""
        if not self.may(scope):
            raise Forbidden("scope_missing", f"this needs a key with scope {scope.value}")


def issue(
    session: Session,
    tenant: Tenant,
    *,
    name: str,
    scopes: Sequence[Scope],
    now: datetime,
    expires_at: datetime | None = None,
    pepper: str = "",
    actor: str = audit.CLI,
) -> tuple[ApiKey, str]:
    """Make a key and return its row and its text; the text exists nowhere else afterwards."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH + _SECRET_LENGTH))
    text = _MARK + body + _checksum(body)
    key = ApiKey(
        tenant_id=tenant.tenant_id,
        name=name,
        prefix=text[: len(_MARK) + _ID_LENGTH],
        key_hash=_hash(text, pepper),
        scopes=[scope.value for scope in scopes],
        created_at=now,
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    _record(session, key, "key_created", actor, now, scopes=key.scopes)
    return key, text


def revoke(session: Session, key: ApiKey, now: datetime, actor: str = audit.CLI) -> None:
    """End a key's validity; again is no error and changes nothing."""
    if key.revoked_at is None:
        key.revoked_at = now
        _record(session, key, "key_revoked", actor, now)


def by_prefix(session: Session, prefix: str) -> ApiKey:
    """Return the key, of whatever tenant, that begins so. Raises NotFound."""
    key = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
    if key is None:
        raise NotFound("no_key", f"no key {prefix!r}")
    return key


def listed(session: Session, tenant_id: int) -> Sequence[ApiKey]:
    """Return the tenant's keys, ended ones included, oldest first."""
    return session.scalars(select(ApiKey).where(ApiKey.tenant_id == tenant_id).order_by(ApiKey.key_id)).all()


def find(session: Session, tenant_id: int, key_id: int) -> ApiKey:
    """Return one key. Raises NotFound."""
    key = session.get(ApiKey, key_id)
    if key is None or key.tenant_id != tenant_id:
        raise NotFound("no_key", f"no key {key_id}")
    return key


def rotate(
    session: Session, key: ApiKey, *, overlap: timedelta, now: datetime, pepper: str = "", actor: str
) -> tuple[ApiKey, str]:
    """Make a key like this one, which itself ends after `overlap`. Raises Conflict for a key that ended."""
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise Conflict("key_ended", "the key has ended")
    scopes = [Scope(scope) for scope in key.scopes]
    successor, text = issue(
        session,
        key.tenant,
        name=key.name,
        scopes=scopes,
        now=now,
        expires_at=key.expires_at,
        pepper=pepper,
        actor=actor,
    )
    key.expires_at = min(now + overlap, key.expires_at or now + overlap)
    _record(session, key, "key_rotated", actor, now, successor=successor.prefix)
    return successor, text


def touch(session: Session, key_id: int, now: datetime) -> None:
    """Note that a key was used, unless that was noted less than a minute ago."""
    session.execute(
        update(ApiKey)
        .where(
            ApiKey.key_id == key_id,
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - _TOUCH_EVERY),
        )
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


def authenticate(session: Session, text: str, now: datetime, pepper: str = "") -> Caller:
    """Return the caller a key stands for.

    Raises Unauthorized for a key that is malformed, unknown, revoked or expired, without saying which, and
    Forbidden when its tenant is disabled.
    """
    body = text[len(_MARK) : -_CRC_LENGTH]
    if not _SHAPE.match(text) or not hmac.compare_digest(text[-_CRC_LENGTH:], _checksum(body)):
        raise _unauthorized()
    prefix = text[: len(_MARK) + _ID_LENGTH]
    key = session.scalar(select(ApiKey).where(ApiKey.prefix == prefix).options(joinedload(ApiKey.tenant)))
    # An unknown prefix is compared against nothing in the same way, so that both take the same time.
    kept = key.key_hash if key is not None else "0" * 64
    matches = [hmac.compare_digest(_hash(text, secret), kept) for secret in {pepper, ""}]
    if key is None:
        raise _unauthorized()
    if not any(matches):
        raise KeyMismatch(key.prefix, key.tenant_id)
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        raise KeyEnded(key.prefix, key.tenant_id)
    if not key.tenant.enabled:
        raise Forbidden("tenant_disabled", "this tenant is disabled")
    scopes = frozenset(Scope(scope) for scope in key.scopes)
    return Caller(key.prefix, (key.tenant_id,), scopes, key.key_id, key.expires_at)


def legacy_networks(session: Session) -> LegacyNetworks:
    """Return the tenants that let some networks in without a key, by id, with these networks."""
    tenants = session.scalars(select(Tenant).where(Tenant.enabled).order_by(Tenant.tenant_id))
    return [
        (tenant.tenant_id, [ipaddress.ip_network(cidr) for cidr in tenant.legacy_cidrs])
        for tenant in tenants
        if tenant.legacy_cidrs
    ]


def legacy_caller(tenants: LegacyNetworks, source_ip: str | None) -> Caller:
    """Return the caller without a key: every tenant whose legacy networks contain the address.

    The deployed C client has no key. Raises Unauthorized when no tenant lets that address in.
    """
    try:
        address = ipaddress.ip_address(source_ip or "")
    except ValueError as error:
        raise _unauthorized() from error
    ids = tuple(
        tenant_id for tenant_id, networks in tenants if any(address in network for network in networks)
    )
    if not ids:
        raise _unauthorized()
    return Caller(f"legacy {address}", ids, frozenset({Scope.REMSIM}))


def _record(session: Session, key: ApiKey, action: str, actor: str, now: datetime, **details: object) -> None:
    audit.record(
        session,
        tenant_id=key.tenant_id,
        actor=actor,
        action=action,
        subject=f"key {key.prefix}",
        now=now,
        **details,
    )


def _unauthorized() -> Unauthorized:
    return Unauthorized("unauthorized", "Unauthorized")


def _hash(text: str, pepper: str) -> str:
    if not pepper:
        return hashlib.sha256(text.encode("ascii")).hexdigest()
    return hmac.new(pepper.encode(), text.encode("ascii"), hashlib.sha256).hexdigest()


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    digits = ""
    for _ in range(_CRC_LENGTH):
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
