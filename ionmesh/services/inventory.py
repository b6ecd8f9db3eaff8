"""Banks and slots: created by operators, listed for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ionmesh.addresses import is_bank, is_literal
from ionmesh.errors import Conflict, Forbidden, InvalidRequest, NotFound
from ionmesh.models import ID_MAX, ID_MIN, Bank, BankStatus, Slot, SlotKind, SlotStatus
from ionmesh.services import audit

# Hostname or IPv4: the deployed C client cannot read an IPv6 literal out of an endpoint.
_HOST = re.compile(
    r"(?=.{1,200}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)
_REST_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#@\s]+)/?\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")
_RANGE = re.compile(r"(?P<first>[0-9]{1,4})(-(?P<last>[0-9]{1,4}))?\Z")
_ICCID = re.compile(r"[0-9]{18,22}\Z")
_IMSI = re.compile(r"[0-9]{6,15}\Z")
_MCC_MNC = re.compile(r"[0-9]{5,6}\Z")

BANKD_PORT = 9999
SERVER_PORT = 9998
REMSIM_REST_PORT = 9997
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class NewBank:
    """A bank to be: `bankd` and `server` are HOST[:PORT]."""

    bank_id: int
    bankd: str
    server: str | None = None
    remsim_server_url: str | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewSlots:
    """Slots to be in one bank. `iccids` and `imsis` are empty or name one SIM per slot, in slot order."""

    bank_id: int
    slot_ids: tuple[int, ...]
    kind: SlotKind = SlotKind.PHYSICAL
    iccids: tuple[str, ...] = ()
    imsis: tuple[str, ...] = ()
    mcc_mnc: str | None = None
    carrier: str | None = None


@dataclass(frozen=True, slots=True)
class SlotFilter:
    """Which slots to list; None means any."""

    status: SlotStatus | None = None
    bank_id: int | None = None
    mcc_mnc: str | None = None
    carrier: str | None = None


def add_bank(session: Session, tenant_id: int | None, new: NewBank, actor: str, now: datetime) -> Bank:
    """Create a bank, for one tenant or (None) shared by all.

    Raises InvalidRequest for an id, host or URL that deployed clients cannot use, Conflict for a taken id.
    """
    _check_id("bank_id", new.bank_id)
    bankd_host, bankd_port = parse_endpoint("bankd", new.bankd, BANKD_PORT)
    server = parse_endpoint("server", new.server, SERVER_PORT) if new.server else None
    if session.get(Bank, new.bank_id) is not None:
        raise Conflict("bank_exists", f"bank {new.bank_id} exists already")
    bank = Bank(
        bank_id=new.bank_id,
        tenant_id=tenant_id,
        name=new.name or f"bank {new.bank_id}",
        status=BankStatus.ONLINE,
        bankd_host=bankd_host,
        bankd_port=bankd_port,
        server_host=server[0] if server else None,
        server_port=server[1] if server else SERVER_PORT,
        remsim_server_url=parse_rest_url(new.remsim_server_url) if new.remsim_server_url else None,
        created_at=now,
    )
    session.add(bank)
    audit.record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        action="bank_created",
        subject=f"bank {new.bank_id}",
        now=now,
    )
    session.flush()
    return bank


def add_slots(
    session: Session, tenant_id: int | None, new: NewSlots, actor: str, now: datetime
) -> list[Slot]:
    """Create slots in a bank of that tenant (None: any bank); they belong to whom the bank belongs to.

    Raises InvalidRequest, NotFound for a foreign bank, Forbidden for a shared one, Conflict for a slot that
    exists.
    """
    bank = find_bank(session, tenant_id, new.bank_id)
    if tenant_id is not None and bank.tenant_id is None:
        raise Forbidden("shared_bank", f"bank {bank.bank_id} is shared and not this tenant's to change")
    _check_slots(new)
    taken = session.scalars(
        select(Slot.slot_id).where(Slot.bank_id == bank.bank_id, Slot.slot_id.in_(new.slot_ids))
    ).all()
    if taken:
        raise Conflict("slot_exists", f"bank {bank.bank_id} has slot {min(taken)} already")
    slots = [
        Slot(
            bank_id=bank.bank_id,
            slot_id=slot_id,
            tenant_id=bank.tenant_id,
            kind=new.kind,
            status=SlotStatus.AVAILABLE,
            iccid=new.iccids[index] if new.iccids else None,
            imsi=new.imsis[index] if new.imsis else None,
            mcc_mnc=new.mcc_mnc,
            carrier=new.carrier,
        )
        for index, slot_id in enumerate(new.slot_ids)
    ]
    session.add_all(slots)
    audit.record(
        session,
        tenant_id=bank.tenant_id,
        actor=actor,
        action="slots_created",
        subject=f"bank {bank.bank_id}",
        now=now,
        slot_ids=list(new.slot_ids),
    )
    session.flush()
    return slots


def find_bank(session: Session, tenant_id: int | None, bank_id: int) -> Bank:
    """Return a bank the tenant sees: its own or a shared one. Raises NotFound."""
    bank = session.get(Bank, bank_id)
    if bank is None or (tenant_id is not None and bank.tenant_id not in (None, tenant_id)):
        raise NotFound("no_bank", f"no bank {bank_id}")
    return bank


def list_banks(session: Session, tenant_id: int) -> Sequence[Bank]:
    """Return the banks the tenant sees, by id."""
    return session.scalars(
        select(Bank).where(or_(Bank.tenant_id == tenant_id, Bank.tenant_id.is_(None))).order_by(Bank.bank_id)
    ).all()


def list_slots(
    session: Session, tenant_id: int, wanted: SlotFilter, *, offset: int, limit: int
) -> tuple[Sequence[Slot], int]:
    """Return one page of the slots the tenant sees, and how many there are in all."""
    conditions = [or_(Slot.tenant_id == tenant_id, Slot.tenant_id.is_(None))]
    for column, value in (
        (Slot.status, wanted.status),
        (Slot.bank_id, wanted.bank_id),
        (Slot.mcc_mnc, wanted.mcc_mnc),
        (Slot.carrier, wanted.carrier),
    ):
        if value is not None:
            conditions.append(column == value)
    total = session.scalar(select(func.count()).select_from(Slot).where(*conditions)) or 0
    page = session.scalars(
        select(Slot).where(*conditions).order_by(Slot.bank_id, Slot.slot_id).offset(offset).limit(limit)
    ).all()
    return page, total


def place(bank_id: int, slot_id: int) -> tuple[int, int]:
    """Return the two as a place. Raises NotFound for numbers that no bank or slot can have."""
    if not (ID_MIN <= bank_id <= ID_MAX and ID_MIN <= slot_id <= ID_MAX):
        raise NotFound("no_slot_there", f"no slot {slot_id} in bank {bank_id}")
    return bank_id, slot_id


def parse_slot_range(text: str) -> tuple[int, ...]:
    """Return the slot numbers of text like `1-10,15`. Raises InvalidRequest."""
    numbers: list[int] = []
    for part in text.split(","):
        match = _RANGE.match(part.strip())
        if match is None:
            raise InvalidRequest("bad_slots", f"{text!r} is not slot numbers like 1-10,15")
        first, last = int(match["first"]), int(match["last"] or match["first"])
        if not ID_MIN <= first <= last <= ID_MAX:
            raise InvalidRequest("bad_slots", f"{part.strip()!r} is not within {ID_MIN}..{ID_MAX}")
        numbers += range(first, last + 1)
    return tuple(numbers)


def parse_endpoint(name: str, text: str, default_port: int) -> tuple[str, int]:
    """Return host and port of `HOST[:PORT]`. Raises InvalidRequest for what the C client cannot read."""
    host, colon, digits = text.partition(":")
    port = default_port
    if colon:
        port = int(digits) if _PORT.match(digits) else 0
    if not _HOST.match(host) or not 0 < port < 65536:
        raise InvalidRequest(f"bad_{name}", f"{name} {text!r} is not HOSTNAME[:PORT] or IPV4[:PORT]")
    return host, port


def parse_rest_url(text: str) -> str:
    """Return the base URL of an osmo-remsim-server's REST with its port. Raises InvalidRequest."""
    match = _REST_URL.match(text)
    if match is None:
        raise InvalidRequest("bad_remsim_server_url", f"{text!r} is not http(s)://HOST[:PORT]")
    default_port = HTTPS_PORT if match["scheme"] == "https" else REMSIM_REST_PORT
    host, port = parse_endpoint("remsim_server_url", match["authority"], default_port)
    # What a name leads to is judged whenever it is called.
    if is_literal(host) and not is_bank(host, loopback_allowed=True):
        raise InvalidRequest("bad_remsim_server_url", f"no osmo-remsim-server can be at {host}")
    return f"{match['scheme']}://{host}:{port}"


def _check_slots(new: NewSlots) -> None:
    if not new.slot_ids or len(set(new.slot_ids)) != len(new.slot_ids):
        raise InvalidRequest("bad_slots", "slot numbers must be given, each once")
    for slot_id in new.slot_ids:
        _check_id("slot_id", slot_id)
    for name, values, shape in (("iccid", new.iccids, _ICCID), ("imsi", new.imsis, _IMSI)):
        if values and len(values) != len(new.slot_ids):
            raise InvalidRequest(f"bad_{name}", f"{len(new.slot_ids)} slots but {len(values)} {name}s")
        if any(not shape.match(value) for value in values):
            raise InvalidRequest(f"bad_{name}", f"an {name} is not digits of the right length")
    if new.mcc_mnc is not None and not _MCC_MNC.match(new.mcc_mnc):
        raise InvalidRequest("bad_mcc_mnc", "mcc_mnc is not 5 or 6 digits")


def _check_id(name: str, value: int) -> None:
    if not ID_MIN <= value <= ID_MAX:
        raise InvalidRequest(f"bad_{name}", f"{name} {value} is not {ID_MIN}..{ID_MAX}")
