"""Our client with the emulated bank says what the deployed programs said to each other."""

import asyncio
from typing import Any

from remsimd.rspro import codec
from remsimd.rspro.events import RsproState
from remsimd.rspro.ipa import Deframer, Proto
from tests.rspro.lab import BANK, CLIENT, lab
from tests.rspro.notation import notation, recorded_session

OURS = frozenset({"version", "identity", "flags", "atr"})
"""Names and versions are anyone's own; flags: the deployed client leaves all of them false,
which calls a whole TPDU neither begun nor ended; the ATR is the card's."""


def comparable(written: dict[str, Any]) -> tuple[str, object]:
    """A PDU without what may differ: tags, names, flags, the card's own answers, port numbers."""
    choice, value = written["msg"]["choice"], written["msg"]["value"]
    dropped = OURS | ({"data"} if choice == "tpduCardToModem" else set())
    kept = {name: field for name, field in value.items() if name not in dropped}
    if "bankd" in kept:
        kept["bankd"] = kept["bankd"]["ip"], kept["bankd"]["port"] == 0
    return choice, kept


def streams(pdus: list[tuple[str, object]]) -> list[list[tuple[str, object]]]:
    """By connection: bankd to server, client to server, client to bankd."""
    to_bank = ("connectBank", "createMapping", "removeMapping")
    bank = [pdu for pdu in pdus if pdu[0].startswith(to_bank)]
    card = [pdu for pdu in pdus if pdu[0].startswith(("setAtr", "tpdu"))]
    return [bank, [pdu for pdu in pdus if pdu not in bank and pdu not in card], card]


async def test_the_session_is_the_recorded_one() -> None:
    entries = [entry["pdu"] for entry in recorded_session() if "pdu" in entry]
    expected = [comparable(entry) for entry in entries]
    commands = [
        bytes.fromhex(entry["msg"]["value"]["data"]["hex"])
        for entry in entries
        if entry["msg"]["choice"] == "tpduModemToCard"
    ]
    heard: list[tuple[str, object]] = []
    ended = asyncio.Event()

    def trace(_: str, frame: bytes) -> None:
        (found,) = Deframer().feed(frame)
        if found.proto is Proto.OSMO:
            heard.append(comparable(notation(codec.decode(found.body))))
            if len(heard) == len(expected):
                ended.set()

    async with lab(mapped=False, trace=trace) as built:
        built.client.assign(built.assignment)
        await built.events.state(RsproState.UNCONFIGURED)
        await built.server.create_map(BANK, CLIENT)
        await built.events.state(RsproState.OPERATIONAL)
        for command in commands:
            await built.client.transmit(command)
        await built.server.delete_map(BANK)
        await built.events.state(RsproState.UNCONFIGURED)
        await ended.wait()
    assert streams(heard) == streams(expected)
