"""Web push: which browsers want to be told, and the queue of messages to them. `pusher` sends them.

A message says how many alerts of which kind and severity fire or are over, and never who: it travels through
the servers of browser vendors.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, joinedload

from ionmesh.clock import rfc3339
from ionmesh.errors import Conflict, InvalidRequest, NotFound
from ionmesh.models import PushMessage, PushSubscription, Severity, User
from ionmesh.services import audit
from ionmesh.services.webhooks import Attempt

# How long a push service keeps a message for a browser that is away (RFC 8030, 5.2), and we for the service.
LIFE = timedelta(hours=4)

_PUBLIC_KEY_BYTES = 65  # an uncompressed point of P-256
_AUTH_BYTES = 16
_RANKS = {severity: rank for rank, severity in enumerate(Severity)}
# RFC 8030, 5.3: what may wake a phone that saves its battery.
_URGENCIES = {Severity.INFO: "low", Severity.WARNING: "normal"}
_LEASE = timedelta(minutes=2)
_WAITS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 3600))
_GONE = (404, 410)
_LATER = (408, 425, 429)
_GIVE_UP_AFTER = 5


@dataclass(frozen=True, slots=True)
class Notice:
    """What browsers are told: nothing in it names a client, a SIM or a person."""

    kind: str
    """A kind of alert, or `test`."""
    state: str
    """`firing` or `resolved`."""
    severity: Severity
    count: int
    topic: str
    """A later message of the same topic replaces one that is still waiting: at most 32 of base64url."""


def subscribe(
    session: Session,
    tenant_id: int,
    user_id: int | None,
    *,
    endpoint: str,
    p256dh: str,
    auth: str,
    min_severity: Severity = Severity.WARNING,
    actor: str,
    now: datetime,
) -> PushSubscription:
    """Add a browser, or take over what it says anew; `webhooks.check_url` of the endpoint is the caller's.

    Raises InvalidRequest for keys that are none (RFC 8291), Conflict for a browser that is another tenant's:
    it has to end that subscription and will get another endpoint.
    """
    if not _is_public_key(_decoded(p256dh)) or len(_decoded(auth)) != _AUTH_BYTES:
        raise InvalidRequest("bad_subscription", "p256dh or auth is not a key of a push subscription")
    found = session.scalar(_of_endpoint(tenant_id, endpoint))
    if found is None:
        found = PushSubscription(tenant_id=tenant_id, endpoint=endpoint, created_at=now)
        session.add(found)
    # A browser that another person of the tenant signed in with is theirs from now on.
    found.user_id, found.p256dh, found.auth = user_id, p256dh, auth
    found.min_severity, found.failures = min_severity, 0
    try:
        session.flush()
    except IntegrityError as error:
        raise Conflict("endpoint_taken", "this browser is subscribed elsewhere") from error
    _record(session, found, "push_subscribed", actor, now)
    return found


def unsubscribe(session: Session, tenant_id: int, subscription_id: int, actor: str, now: datetime) -> None:
    """Remove a browser and what waits for it. Raises NotFound."""
    found = find(session, tenant_id, subscription_id)
    _record(session, found, "push_unsubscribed", actor, now)
    session.delete(found)


def find(session: Session, tenant_id: int, subscription_id: int) -> PushSubscription:
    """Return one subscription. Raises NotFound."""
    found = session.get(PushSubscription, subscription_id)
    if found is None or found.tenant_id != tenant_id:
        raise NotFound("no_subscription", f"no push subscription {subscription_id}")
    return found


def by_endpoint(session: Session, tenant_id: int, endpoint: str) -> PushSubscription:
    """Return the subscription of a browser. Raises NotFound."""
    found = session.scalar(_of_endpoint(tenant_id, endpoint))
    if found is None:
        raise NotFound("no_subscription", "this browser has no push subscription")
    return found


def listed(session: Session, tenant_id: int, user_id: int | None = None) -> Sequence[PushSubscription]:
    """Return the tenant's subscriptions, or one user's."""
    query = select(PushSubscription).where(PushSubscription.tenant_id == tenant_id)
    if user_id is not None:
        query = query.where(PushSubscription.user_id == user_id)
    return session.scalars(query.order_by(PushSubscription.subscription_id)).all()


def announce(session: Session, tenant_id: int, notice: Notice, now: datetime) -> int:
    """Queue a notice for every browser of the tenant that wants its severity. Returns for how many.

    A disabled person's browsers are left out.
    """
    wanting = select(PushSubscription).outerjoin(User, User.user_id == PushSubscription.user_id)
    wanting = wanting.where(
        PushSubscription.tenant_id == tenant_id, User.user_id.is_(None) | User.enabled.is_(True)
    )
    queued = [
        _message(found, notice, now)
        for found in session.scalars(wanting)
        if _RANKS[found.min_severity] <= _RANKS[notice.severity]
    ]
    session.add_all(queued)
    return len(queued)


def test(session: Session, tenant_id: int, subscription_id: int, now: datetime) -> None:
    """Queue a message that says nothing but that it is a test. Raises NotFound."""
    notice = Notice("test", "firing", Severity.WARNING, 1, "test")
    session.add(_message(find(session, tenant_id, subscription_id), notice, now))


def is_due(session: Session, now: datetime) -> bool:
    """Whether `take_due` would find something."""
    waiting = select(PushMessage.message_id).where(PushMessage.next_attempt_at <= now).limit(1)
    return session.scalar(waiting) is not None


def take_due(session: Session, now: datetime, limit: int) -> Sequence[PushMessage]:
    """Take messages that are due, so that no other process sends them while this one does.

    Messages that outlived their use are dropped.
    """
    due = session.scalars(
        select(PushMessage)
        .where(PushMessage.next_attempt_at <= now)
        .options(joinedload(PushMessage.subscription))
        .order_by(PushMessage.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=PushMessage)
    ).all()
    taken = []
    for message in due:
        if now - message.created_at >= LIFE:
            session.delete(message)
            continue
        message.next_attempt_at = now + _LEASE
        taken.append(message)
    return taken


def settle(session: Session, message_id: int, attempt: Attempt, now: datetime) -> None:
    """Note what came of an attempt; a failed one is repeated later where that can help.

    A subscription the push service does not know any more is deleted (RFC 8030, 7.3), and so is one that
    several messages in a row did not reach.
    """
    message = session.get(PushMessage, message_id, options=[joinedload(PushMessage.subscription)])
    if message is None:
        return
    found = message.subscription
    if attempt.good:
        found.last_sent_at, found.failures = now, 0
        session.delete(message)
        return
    if attempt.status in _GONE:
        _drop(session, found, "gone", now)
        return
    message.attempts += 1
    may_help = attempt.status is None or attempt.status in _LATER or attempt.status >= 500
    if may_help and message.attempts <= len(_WAITS):
        message.next_attempt_at = now + _WAITS[message.attempts - 1]
        return
    session.delete(message)
    found.failures += 1
    if found.failures >= _GIVE_UP_AFTER:
        _drop(session, found, "unreachable", now)


def _of_endpoint(tenant_id: int, endpoint: str) -> Select[PushSubscription]:
    return select(PushSubscription).where(
        PushSubscription.tenant_id == tenant_id, PushSubscription.endpoint == endpoint
    )


def _message(found: PushSubscription, notice: Notice, now: datetime) -> PushMessage:
    document = {
        "kind": notice.kind,
        "state": notice.state,
        "severity": notice.severity.value,
        "count": notice.count,
        "at": rfc3339(now),
    }
    return PushMessage(
        subscription_id=found.subscription_id,
        body=json.dumps(document, separators=(",", ":")),
        urgency=_URGENCIES.get(notice.severity, "high"),
        topic=notice.topic,
        created_at=now,
        attempts=0,
        next_attempt_at=now,
    )


def _drop(session: Session, found: PushSubscription, reason: str, now: datetime) -> None:
    _record(session, found, "push_subscription_dropped", "worker", now, reason=reason)
    session.delete(found)


def _is_public_key(raw: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    if len(raw) != _PUBLIC_KEY_BYTES:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        return False
    return True


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _record(
    session: Session, found: PushSubscription, action: str, actor: str, now: datetime, **details: object
) -> None:
    audit.record(
        session,
        tenant_id=found.tenant_id,
        actor=actor,
        action=action,
        subject=f"push subscription {found.subscription_id}",
        now=now,
        **details,
    )
