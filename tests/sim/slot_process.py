"""A router's SIM slot as a process of its own that can be killed before any of its steps."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remsimd import events as ev
from remsimd.config.model import GpioLine, Match, MatchBy, ModemConfig, SimSource
from remsimd.finder import Finder
from remsimd.poller import ModemLife
from remsimd.sim import slot as slots
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.shell import ShellFrontend
from remsimd.sim.journal import Journal, JournalEntry
from remsimd.sim.slot import SimSlot
from remsimd.sim.switch import SimSwitch
from simlab.bank.cards import generate
from simlab.bank.usim import Usim
from simlab.gpio import RemoteLines

CARD = generate(1, seed=11)[0]
MUX = GpioLine(name="sim1")
RESTORE_GRACE_S = 0.1


@dataclass(frozen=True)
class Story:
    """What a process does in `folder`: with a remote card or without, and where it dies.

    `kill_at` counts the steps from 1 and is the first one that is not taken any more.
    """

    folder: Path
    offered: bool
    withdrawn: bool = False
    kill_at: int | None = None


class Steps:
    """Counts what changes hardware or journal, and dies before the chosen one."""

    def __init__(self, kill_at: int | None, note: Callable[[dict[str, Any]], None]) -> None:
        self._kill_at = kill_at
        self._note = note
        self._taken = 0

    def take(self, name: str) -> None:
        self._taken += 1
        if self._taken == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._note({"step": name})

    def before(self, name: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def stepped(*args: Any) -> Any:
            self.take(name)
            return await call(*args)

        return stepped


class BankCard:
    """The card in the bank, without a bank."""

    def __init__(self) -> None:
        self._usim = Usim(CARD)

    async def transmit(self, tpdu: bytes) -> bytes:
        return self._usim.transmit(tpdu)

    def status(self, status: SlotStatus) -> None:
        if status.reset_active:
            self._usim.reset()


def main(story: Story) -> None:
    """Run the story until killed."""
    slots.RESTORE_GRACE_S = RESTORE_GRACE_S
    asyncio.run(_run(story))


async def _run(story: Story) -> None:
    with (story.folder / "told").open("a", encoding="utf-8", buffering=1) as told:

        def note(entry: dict[str, Any]) -> None:
            told.write(json.dumps(entry) + "\n")

        steps = Steps(story.kill_at, note)
        switched = asyncio.Event()

        def publish(event: ev.Event) -> None:
            match event:
                case ev.SimSwitched(_, source, ok, _, _):
                    switched.set()
                    note({"source": source, "ok": ok})
                case ev.SimFound(_, source):
                    note({"source": source, "ok": True})
                case ev.SimRead(_, sim):
                    note({"iccid": sim.iccid})

        await _serve(story, steps, publish, switched)


async def _serve(
    story: Story, steps: Steps, publish: Callable[[ev.Event], None], switched: asyncio.Event
) -> None:
    match = (Match(MatchBy.TTY, str(story.folder / "tty")),)
    config = ModemConfig(name="primary", match=match, sim=SimSource.REMOTE, sim_select_line=MUX)
    life = ModemLife(config, finder=Finder(), publish=publish)
    frontend = ShellFrontend(story.folder / "shell.sock")
    journal = _stepped_journal(story.folder, steps)
    lines = RemoteLines(story.folder / "gpio.sock")
    for thing, names in (
        (life, ("set_radio", "reset", "fresh_sim")),
        (frontend, ("insert", "remove")),
        (lines, ("set",)),
    ):
        for name in names:
            setattr(thing, name, steps.before(name, getattr(thing, name)))
    switch = SimSwitch(config, modem=life, frontend=frontend, lines=lines, journal=journal, redial=_no_redial)
    slot = SimSlot(
        "primary", switch=switch, journal=journal, expected_iccid=lambda: CARD.iccid, publish=publish
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(life.run())
        group.create_task(frontend.run(BankCard()))
        if story.offered:
            slot.offer(Usim(CARD).atr)
        group.create_task(slot.run())
        if story.withdrawn:
            await switched.wait()
            slot.withdraw("unmapped")


def _stepped_journal(folder: Path, steps: Steps) -> Journal:
    journal = Journal(folder, "primary")
    write = journal.write

    def stepped(entry: JournalEntry) -> None:
        steps.take("journal")
        write(entry)

    journal.write = stepped  # type: ignore[method-assign]  # the hook that kills
    return journal


async def _no_redial(interface: str) -> None:
    """The lab has no netifd."""
