"""The control methods about SIM cards beside `sim.use`."""

from typing import Any, Protocol

from remsimd.control import report
from remsimd.control.methods import Method, Params
from remsimd.errors import ControlError

SLOTS = (1, 2)


class CardActions(Protocol):
    """What is done about cards; each raises `ControlError` with a text for the asker."""

    async def select_slot(self, modem: str | None, slot: int) -> str: ...

    async def test(self) -> dict[str, Any]: ...

    def take_back(self, modem: str | None) -> str: ...


class Requests:
    """Serves each method of the table."""

    def __init__(self, cards: CardActions) -> None:
        self._cards = cards

    async def slot(self, params: Params) -> Any:
        if params["slot"] not in SLOTS:
            raise ControlError(f"slot must be {' or '.join(map(str, SLOTS))}, not {params['slot']}")
        return {"message": await self._cards.select_slot(params.get("modem"), params["slot"])}

    async def test(self, _: Params) -> Any:
        return report.plain(await self._cards.test())

    async def take_back(self, params: Params) -> Any:
        return {"message": self._cards.take_back(params.get("modem"))}


def table(cards: CardActions) -> dict[str, Method]:
    """Every method by name."""
    serve = Requests(cards)
    return {
        "sim.slot": Method(
            {"modem": str, "slot": int},
            "Make a modem use another of its own SIM slots, 1 or 2.",
            serve.slot,
            optional=frozenset({"modem"}),
        ),
        "sim.test": Method({}, "Read the remote card's ATR, ICCID and IMSI without the modem.", serve.test),
        "sim.take_back": Method(
            {"modem": str},
            "Put a modem on its local card and let the bank's card go, until the remote one is asked for.",
            serve.take_back,
            optional=frozenset({"modem"}),
        ),
    }
