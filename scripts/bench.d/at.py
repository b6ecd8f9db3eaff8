"""The AT engine: commands a second on a pseudo-terminal, poll rounds on every emulated model, the soak.

With a number as argument the soak is so many commands instead of 50,000.
"""

import asyncio
import os
import sys
import tempfile
import time
import tty
from pathlib import Path

from _figure import figure

from modems.at.channel import Channel
from modems.at.port import open_port
from modems.catalog import driver_for_identity
from modems.drivers.generic import GenericDriver
from simlab.modems.emulator import EmulatedModem, load_script
from simlab.modems.interpreter import SCRIPTS
from simlab.modems.sim import LocalSim
from simlab.modems.state import ModemState

sys.path.insert(0, str(Path(__file__).parents[2]))  # the soak is shared with the tests
from tests.modems.at.soak import soak

COMMANDS, URC_EVERY = 20_000, 5
ROUNDS = 50
SOAK_COMMANDS = int(sys.argv[1]) if sys.argv[1:] else 50_000
SOAK_SEED = 1


async def commands_a_second() -> float:
    """One asker, one modem that answers at once and echoes, a URC before every fifth answer."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    partial = bytearray()
    answered = 0

    def answer() -> None:
        nonlocal answered
        partial.extend(os.read(master, 4096))
        while b"\r" in partial:
            command, _, rest = bytes(partial).partition(b"\r")
            partial[:] = rest
            answered += 1
            urc = b'\r\n+CREG: 1,"2D0D","1A2B303",7\r\n' if answered % URC_EVERY == 0 else b""
            os.write(master, command + b"\r" + urc + b"\r\n+CSQ: 20,99\r\n\r\nOK\r\n")

    loop = asyncio.get_running_loop()
    loop.add_reader(master, answer)
    try:
        async with open_port(os.ttyname(slave)) as port, Channel(port) as channel:
            started_s = time.perf_counter()
            for _ in range(COMMANDS):
                await channel.run("AT+CSQ", timeout_s=5, prefix="+CSQ")
            took_s = time.perf_counter() - started_s
            if channel.counters.urcs != COMMANDS // URC_EVERY:
                raise SystemExit(f"{channel.counters.urcs} URCs of {COMMANDS // URC_EVERY} were heard")
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
    return COMMANDS / took_s


async def poll_round_ms(model: str) -> float:
    """The longest of many rounds of what is asked at every poll: registration, serving cell and signal."""
    with tempfile.TemporaryDirectory() as directory:
        sim = LocalSim("8939010000000000017", "222011234567890")
        async with (
            EmulatedModem(load_script(model), Path(directory) / "ttyAT", sim=sim) as modem,
            open_port(modem.link_path) as port,
            Channel(port) as channel,
        ):
            identity = await GenericDriver(channel).identity()
            driver = driver_for_identity(identity.manufacturer, identity.model)(channel)
            await driver.setup()
            await modem.wait_for(ModemState.REGISTERED)
            longest_s = 0.0
            for _ in range(ROUNDS):
                started_s = time.perf_counter()
                await driver.registration()
                await driver.serving()
                longest_s = max(longest_s, time.perf_counter() - started_s)
    return 1000 * longest_s


figure("AT commands with URCs between", asyncio.run(commands_a_second()), "commands/s", budget=2000)
for model in sorted(path.stem for path in SCRIPTS.glob("*.txt")):
    figure(f"poll round, longest of {ROUNDS}, {model}", asyncio.run(poll_round_ms(model)), "ms", budget=50)
started_s = time.perf_counter()
tally = soak(SOAK_COMMANDS, SOAK_SEED)
figure(f"soak of {tally.commands} commands, misattributed answers", tally.misattributed, "answers", budget=0)
figure("soak, wall time", time.perf_counter() - started_s, "s", budget=60)
