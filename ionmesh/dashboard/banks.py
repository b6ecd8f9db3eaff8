"""SIM banks: all of them at a glance, one as a heat-map, and each card's history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, timedelta
from typing import Any

from flask import render_template, request
from sqlalchemy.orm import Session

from ionmesh.api import present
from ionmesh.dashboard import shapes, slots
from ionmesh.dashboard.gate import Visit, pages
from ionmesh.dashboard.i18n import translate as _
from ionmesh.errors import NotFound
from ionmesh.models import SimCard, Slot
from ionmesh.services import allowance, holdings, inventory, occupancy
from ionmesh.services.occupancy import Place
from ionmesh.services.sampling import day_of, sim_of

VIEWS = ("state", "handovers", "traffic")
_HANDOVERS_IN = timedelta(days=30)
_HISTORY_SHOWN = 50
_DAYS_SHOWN = 28
_HEAT_LEVELS = 4


@pages.get("/banks")
def banks(visit: Visit) -> str:
    """Show every bank as a small map."""
    with visit.database.read() as session:
        rows = inventory.list_banks(session, visit.tenant_id)
        summaries = slots.summaries(rows, occupancy.places(session, visit.tenant_id))
    return render_template("banks.html", banks=summaries)


@pages.get("/banks/<int:bank_id>")
def bank(visit: Visit, bank_id: int) -> str:
    """Show a bank slot by slot."""
    return _bank_page(visit, bank_id, None)


@pages.get("/banks/<int:bank_id>/slots/<int:slot_id>")
def slot(visit: Visit, bank_id: int, slot_id: int) -> str:
    """Show a bank with one of its slots: the card, who has it, and who had it."""
    return _bank_page(visit, bank_id, slot_id)


def _bank_page(visit: Visit, bank_id: int, slot_id: int | None) -> str:
    view = request.args.get("view", "")
    view = view if view in VIEWS else VIEWS[0]
    with visit.database.read() as session:
        found = inventory.find_bank(session, visit.tenant_id, inventory.place(bank_id, 1)[0])
        places = occupancy.places(session, visit.tenant_id, [bank_id])
        heat = _heat(visit, session, bank_id, view)
        chosen = None if slot_id is None else _slot(visit, session, bank_id, slot_id)
    summary = slots.summaries([found], places)[0]
    return render_template(
        "bank.html",
        bank=found,
        summary=summary,
        squares=[_square(place, heat, view) for place in places],
        view=view,
        views=((VIEWS[0], _("State")), (VIEWS[1], _("Handovers")), (VIEWS[2], _("Traffic"))),
        most=_written(max(heat.values(), default=0), view),
        chosen=chosen,
    )


def _square(place: Place, heat: Mapping[int, int], view: str) -> dict[str, Any]:
    letter = slots.letter(place)
    state = slots.names()[letter]
    who = f", {place.client_id}" if place.client_id else ""
    if view == VIEWS[0]:
        return {"slot_id": place.slot_id, "look": letter, "sign": slots.SIGNS[letter], "text": state + who}
    value = heat.get(place.slot_id, 0)
    most = max(heat.values(), default=0)
    level = -(-_HEAT_LEVELS * value // most) if most else 0
    sign = str(value) if view == "handovers" and value else ""
    return {
        "slot_id": place.slot_id,
        "look": f"h{level}",
        "sign": sign,
        "text": f"{_written(value, view)}, {state}{who}",
    }


def _written(value: int, view: str) -> str:
    return shapes.octets(value) if view == "traffic" else str(value)


def _heat(visit: Visit, session: Session, bank_id: int, view: str) -> Mapping[int, int]:
    if view == "handovers":
        return occupancy.handovers(session, visit.tenant_id, bank_id, visit.call.now - _HANDOVERS_IN)
    if view == "traffic":
        now = visit.call.now
        first_day = day_of(now) - now.astimezone(UTC).day + 1
        return occupancy.traffic(session, visit.tenant_id, bank_id, first_day)
    return {}


def _slot(visit: Visit, session: Session, bank_id: int, slot_id: int) -> dict[str, Any]:
    place = inventory.place(bank_id, slot_id)
    found = session.get(Slot, place)
    if found is None or found.tenant_id not in (None, visit.tenant_id):
        raise NotFound("no_slot_there", f"no slot {slot_id} in bank {bank_id}")
    occupied = next(iter(occupancy.places(session, visit.tenant_id, [bank_id], slot_id)))
    card = session.get(SimCard, place)
    letter = slots.letter(occupied)
    sim = sim_of(found.iccid, *place)
    daily = allowance.daily(session, visit.tenant_id, sim, visit.call.now, _DAYS_SHOWN)
    return present.slot(found, masked=visit.call.masked) | {
        "look": letter,
        "state": slots.names()[letter],
        "client_id": occupied.client_id,
        "card": card if card is not None and card.tenant_id == visit.tenant_id else None,
        "history": holdings.of_slot(session, visit.tenant_id, place, limit=_HISTORY_SHOWN),
        "daily": _bars(daily),
        "month": sum(received + sent for _day, received, sent in daily),
    }


def _bars(daily: list[tuple[date, int, int]]) -> list[dict[str, Any]]:
    most = max((received + sent for _day, received, sent in daily), default=0) or 1
    return [
        {"day": day.isoformat(), "height": round(100 * (rx + tx) / most, 1), "text": shapes.octets(rx + tx)}
        for day, rx, tx in daily
    ]
