"""RSPRO: the codec alone, and a command's whole way from a shell to the bank's card and back.

A TPDU pair is what a relay does for one command: encode TpduModemToCard, decode TpduCardToModem.
The way is that of the real programs: a shell on the Unix socket of remsimd, remsimd, the
emulated bank in another process with the software USIM, all on loopback.
"""

import asyncio
import socket
import tempfile
import time
from pathlib import Path

from _figure import figure

from remsimd.rspro import codec, pdu
from remsimd.rspro.pdu import BankSlot, ClientSlot, RsproPdu
from simlab.lab import Lab

PAIRS = 20_000
ROUNDS = 5
TRIPS = 3000
SELECT_MF = bytes.fromhex("00a4000c023f00")
CLIENT, BANK = ClientSlot(23, 0), BankSlot(1, 7)


def pairs_a_second() -> float:
    """The best of several rounds: what disturbs a round is not the codec."""
    command = RsproPdu(pdu.TpduModemToCard(CLIENT, BANK, pdu.WHOLE_TPDU, SELECT_MF), 1)
    answer = codec.encode(
        RsproPdu(pdu.TpduCardToModem(BANK, CLIENT, pdu.WHOLE_TPDU, bytes(30) + b"\x90\x00"))
    )
    best = 0.0
    for _ in range(ROUNDS):
        started_s = time.perf_counter()
        for _ in range(PAIRS):
            codec.encode(command)
            codec.decode(answer)
        best = max(best, PAIRS / (time.perf_counter() - started_s))
    return best


def trips_s(path: Path) -> list[float]:
    """How long each of many commands took, seconds."""
    taken = []
    with socket.socket(socket.AF_UNIX) as shell:
        shell.connect(str(path))
        lines = shell.makefile("rb")
        lines.readline()
        for _ in range(TRIPS):
            started_s = time.perf_counter()
            shell.sendall(SELECT_MF.hex().encode() + b"\n")
            answer = lines.readline()
            taken.append(time.perf_counter() - started_s)
            assert answer == b"R-APDU: 9000\n", answer
    return sorted(taken)


async def main() -> None:
    """Both figures."""
    figure("codec, encode and decode of a TPDU pair", pairs_a_second(), "pairs/s", budget=20000)
    with tempfile.TemporaryDirectory() as folder:
        async with Lab.create(Path(folder), namespaces=False) as lab:
            await lab.start_router()
            await lab.remsimd.until(
                lambda s: s["modems"]["primary"]["authentications_ok"] > 0, "the modem is done with the card"
            )
            taken_s = await asyncio.to_thread(trips_s, lab.folder / "run" / "shell-primary.sock")
    figure("relay shell -> remsimd -> bank, p50", 1000 * taken_s[TRIPS // 2], "ms", budget=0.4)


asyncio.run(main())
