"""The SIM slot follows wishes: virtual time, fakes for the modem, the frontend and the lines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from modems.errors import PortGone, Unsupported
from modems.facts import Sim, SimState
from remsimd import events as ev
from remsimd.config.model import GpioLine, ModemConfig, SimSource
from remsimd.errors import FrontendError, GpioError
from remsimd.sim.journal import Journal, JournalEntry
from remsimd.sim.slot import SimMode, SimSlot
from remsimd.sim.switch import SimSwitch
from simlab.gpio import MemoryChip
from tests import virtual

MUX = GpioLine(name="sim1")
LOCAL_ICCID, REMOTE_ICCID = "8949000000000000001", "8988200000000000012"
ATR = bytes.fromhex("3B9F96801FC78031A073BE21136743200718000001A5")


@dataclass
class Bench:
    """A modem whose card is what the mux line and the frontend make of it, as on a real board."""

    state_dir: Path
    chip: MemoryChip = field(default_factory=MemoryChip)
    inserted: bytes | None = None
    radio: list[bool] = field(default_factory=list)
    resets: int = 0
    there: bool = True
    local_iccid: str | None = LOCAL_ICCID
    remote_iccid: str | None = REMOTE_ICCID
    needs_reset: bool = False
    no_reset_command: bool = False
    events: list[ev.Event] = field(default_factory=list)
    expected: str | None = REMOTE_ICCID
    broken_frontend: bool = False
    redialled: list[str] = field(default_factory=list)
    mux_moves: list[bool] = field(default_factory=list)
    insertions: int = 0
    slots: tuple[int, ...] = (1, 2)
    slot_now: int = 1
    by_slot_command: bool = False
    in_turn: asyncio.Event | None = None

    def __post_init__(self) -> None:
        self.chip.watch("sim1", self.mux_moves.append)
        self.journal = Journal(self.state_dir, "primary")

    # The modem

    @property
    def present(self) -> bool:
        return self.there

    async def wait_present(self) -> None:
        while not self.there:
            await asyncio.sleep(1)

    async def set_radio(self, on: bool) -> None:
        self._check()
        self.radio.append(on)

    async def reset(self) -> None:
        self._check()
        if self.no_reset_command:
            raise Unsupported("primary", "reset")
        self.resets += 1
        self.needs_reset = False

    async def select_slot(self, slot: int) -> None:
        self._check()
        if slot not in self.slots:
            raise Unsupported("primary", "SIM slot selection")
        self.slot_now = slot

    async def fresh_sim(self, timeout_s: float) -> Sim:
        iccid = await self._iccid()
        if iccid is None or not self.there:
            await asyncio.sleep(timeout_s)
            raise TimeoutError
        return Sim(SimState.READY, iccid, "262010000000001")

    async def _iccid(self) -> str | None:
        on_remote = self.slot_now == 2 if self.by_slot_command else await self.chip.get(MUX)
        if not on_remote or self.needs_reset:
            return self.local_iccid
        return self.remote_iccid if self.inserted is not None else None

    def _check(self) -> None:
        if not self.there:
            raise PortGone("primary", "unplugged")

    # The frontend

    name = "bench"

    async def run(self, card: object) -> None:
        raise AssertionError("not part of a switch")

    async def insert(self, atr: bytes) -> None:
        if self.broken_frontend:
            raise FrontendError("the board is unplugged")
        self.insertions += self.inserted is None
        self.inserted = atr

    async def remove(self) -> None:
        if self.broken_frontend:
            raise FrontendError("the board is unplugged")
        self.inserted = None

    async def reset_modem(self) -> None:
        self.resets += 1
        self.needs_reset = False

    # What is tested

    async def redial(self, interface: str) -> None:
        self.redialled.append(interface)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self.in_turn is not None:
            await self.in_turn.wait()
        told = len(self.events)
        yield
        assert [type(event) for event in self.events[told:]] == [ev.SimSwitching], "told before it is left"

    def slot(self) -> SimSlot:
        config = ModemConfig(name="primary", interface="wwan0", sim=SimSource.REMOTE, sim_select_line=MUX)
        if self.by_slot_command:
            config = replace(config, sim_select_line=None, sim_slot=2)
        switch = SimSwitch(
            config, modem=self, frontend=self, lines=self.chip, journal=self.journal, redial=self.redial
        )
        return SimSlot(
            "primary",
            switch=switch,
            journal=self.journal,
            expected_iccid=lambda: self.expected,
            publish=self.events.append,
            in_turn=self.turn,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SimSlot]:
        slot = self.slot()
        task = asyncio.create_task(slot.run())
        try:
            yield slot
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def switched(self) -> ev.SimSwitched:
        """The next finished switch."""
        seen = len([e for e in self.events if isinstance(e, ev.SimSwitched)])
        while True:
            done = [e for e in self.events if isinstance(e, ev.SimSwitched)]
            if len(done) > seen:
                return done[seen]
            await asyncio.sleep(0.1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_card_from_the_bank_is_shown_to_the_modem_and_verified(bench: Bench) -> None:
    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    done = virtual.run(story())
    assert done == ev.SimSwitched("primary", SimSource.REMOTE, True, "the remote card is there", done.took_s)
    assert bench.inserted == ATR
    assert bench.radio == [False, True]
    assert bench.redialled == ["wwan0"]
    assert bench.journal.read() == JournalEntry(SimSource.REMOTE)


def test_a_withdrawn_card_brings_the_local_one_back(bench: Bench) -> None:
    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            slot.withdraw("bankd lost for 20 s")
            return await bench.switched()

    done = virtual.run(story())
    assert (done.source, done.ok, done.cause) == (SimSource.LOCAL, True, "bankd lost for 20 s")
    assert bench.inserted is None
    assert bench.mux_moves == [True, False]


def test_a_wrong_card_is_not_kept(bench: Bench) -> None:
    bench.remote_iccid = "8988299999999999999"

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    done = virtual.run(story())
    assert not done.ok
    assert done.source is SimSource.LOCAL
    assert "ICCID 89882...999 where 89882...012 was expected" in done.cause
    assert bench.journal.read() == JournalEntry(SimSource.LOCAL)
    assert bench.mux_moves == [True, False]


def test_a_failed_switch_is_tried_again_later_and_then_works(bench: Bench) -> None:
    bench.remote_iccid = None

    async def story() -> tuple[float, ev.SimSwitched]:
        async with bench.running() as slot:
            slot.offer(ATR)
            failed = await bench.switched()
            assert not failed.ok
            bench.remote_iccid = REMOTE_ICCID
            before = asyncio.get_running_loop().time()
            done = await bench.switched()
            return asyncio.get_running_loop().time() - before, done

    waited_s, done = virtual.run(story())
    assert done.ok
    assert done.source is SimSource.REMOTE
    assert 50 < waited_s < 70


def test_a_modem_that_keeps_its_old_card_is_reset_once(bench: Bench) -> None:
    bench.needs_reset = True

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    assert virtual.run(story()).ok
    assert bench.resets == 1


def test_a_modem_without_a_reset_command_is_reset_by_the_board(bench: Bench) -> None:
    bench.needs_reset = bench.no_reset_command = True

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    assert virtual.run(story()).ok
    assert bench.resets == 1


def test_a_card_waits_for_a_modem_that_is_not_there(bench: Bench) -> None:
    bench.there = False

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            await asyncio.sleep(3600)
            assert bench.mux_moves == []
            assert not any(isinstance(event, ev.SimSwitching) for event in bench.events)
            bench.there = True
            return await bench.switched()

    assert virtual.run(story()).source is SimSource.REMOTE


def test_a_modem_that_vanished_gets_its_local_wiring_at_once(bench: Bench) -> None:
    async def story() -> float:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            bench.there = False
            before = asyncio.get_running_loop().time()
            slot.withdraw("unmapped")
            assert (await bench.switched()).source is SimSource.LOCAL
            return asyncio.get_running_loop().time() - before

    assert virtual.run(story()) < 1
    assert bench.mux_moves == [True, False]


def test_the_latest_wish_wins_in_the_middle_of_a_switch(bench: Bench) -> None:
    bench.remote_iccid = None  # the modem reads nothing: the switch would wait for minutes

    async def story() -> float:
        async with bench.running() as slot:
            slot.offer(ATR)
            await asyncio.sleep(5)
            slot.withdraw("unmapped")
            done = await bench.switched()
            assert done.ok
            assert done.source is SimSource.LOCAL
            return asyncio.get_running_loop().time()

    assert virtual.run(story()) < 10
    assert bench.inserted is None
    assert bench.mux_moves[-1] is False


def test_a_switch_waits_for_its_turn_and_a_wish_taken_back_ends_the_wait(bench: Bench) -> None:
    async def story() -> None:
        bench.in_turn = asyncio.Event()
        async with bench.running() as slot:
            slot.offer(ATR)
            await asyncio.sleep(200)
            slot.withdraw("unmapped")
            await asyncio.sleep(200)
            assert bench.mux_moves == []
            assert not any(isinstance(event, ev.SimSwitching) for event in bench.events)
            slot.offer(ATR)
            await asyncio.sleep(1)
            bench.in_turn.set()
            assert (await bench.switched()).source is SimSource.REMOTE

    virtual.run(story())


def test_a_slot_that_is_stopped_in_a_switch_leaves_no_task_behind(bench: Bench) -> None:
    bench.remote_iccid = None

    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await asyncio.sleep(5)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    virtual.run(story())


def test_a_person_keeps_the_local_card_until_auto(bench: Bench) -> None:
    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            slot.use(SimMode.LOCAL)
            assert (await bench.switched()).source is SimSource.LOCAL
            slot.offer(ATR)
            await asyncio.sleep(3600)
            assert bench.mux_moves[-1] is False
            slot.use(SimMode.AUTO)
            assert (await bench.switched()).source is SimSource.REMOTE

    virtual.run(story())


def test_a_fallback_ends_where_it_began_and_gives_way_to_a_person(bench: Bench) -> None:
    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            for _ in range(2):
                slot.fall_back()
                assert (await bench.switched()).source is SimSource.LOCAL
                slot.end_fallback()
                assert (await bench.switched()).source is SimSource.REMOTE
            slot.fall_back()
            await bench.switched()
            slot.use(SimMode.LOCAL)
            slot.end_fallback()
            await asyncio.sleep(3600)
            assert bench.mux_moves[-1] is False

    virtual.run(story())


def test_a_broken_frontend_is_an_error_with_its_words(bench: Bench) -> None:
    bench.broken_frontend = True

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    done = virtual.run(story())
    assert not done.ok
    assert done.cause == "the board is unplugged"


def test_a_restart_on_the_remote_card_waits_before_it_falls_back(bench: Bench) -> None:
    bench.journal.write(JournalEntry(SimSource.REMOTE))

    async def story(offered: bool) -> ev.SimSwitched:
        async with bench.running() as slot:
            await asyncio.sleep(10)
            assert bench.mux_moves == []
            if offered:
                slot.offer(ATR)
            return await bench.switched()

    assert virtual.run(story(offered=True)).source is SimSource.REMOTE
    bench.journal.write(JournalEntry(SimSource.REMOTE))
    bench.mux_moves.clear()
    assert virtual.run(story(offered=False)).source is SimSource.LOCAL


@pytest.mark.parametrize("to", list(SimSource))
def test_a_switch_cut_short_by_a_kill_ends_on_the_local_card(bench: Bench, to: SimSource) -> None:
    bench.journal.write(JournalEntry(SimSource.LOCAL, moving_to=to))

    async def story() -> ev.SimSwitched:
        async with bench.running():
            return await bench.switched()

    done = virtual.run(story())
    assert (done.source, done.ok) == (SimSource.LOCAL, True)
    assert bench.journal.read() == JournalEntry(SimSource.LOCAL)


def test_release_leaves_the_local_card_even_when_the_modem_is_silent(bench: Bench) -> None:
    async def story() -> float:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
        bench.there = False
        before = asyncio.get_running_loop().time()
        await slot.release()
        return asyncio.get_running_loop().time() - before

    assert virtual.run(story()) < 3
    assert bench.mux_moves == [True, False]
    assert bench.inserted is None
    assert bench.journal.read() == JournalEntry(SimSource.LOCAL)


def test_a_journal_that_cannot_be_written_keeps_no_card_from_the_modem(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "full").touch()
    bench = Bench(tmp_path / "full")

    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            assert (await bench.switched()).source is SimSource.REMOTE
        await slot.release()

    virtual.run(story())
    assert bench.mux_moves == [True, False], "and at the stop it is on its own card"
    refusals = [record.levelname for record in caplog.records if "journal" in record.getMessage()]
    assert refusals.count("WARNING") == 1


# A new card, the slot command, wiring that does not obey


def test_a_card_that_left_and_came_back_is_inserted_anew(bench: Bench) -> None:
    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            assert bench.insertions == 1
            slot.withdraw("the bank's card was reset")
            slot.offer(ATR)
            assert (await bench.switched()).source is SimSource.REMOTE

    virtual.run(story())
    assert bench.insertions == 2, "the modem must notice, or it would go on with a card that forgot it"
    assert bench.mux_moves == [True], "it was never on its local card between"


def test_a_card_that_changes_during_the_switch_is_the_newest_one_at_the_end(bench: Bench) -> None:
    bench.remote_iccid = None

    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await asyncio.sleep(5)
            bench.remote_iccid = REMOTE_ICCID
            slot.withdraw("reset")
            slot.offer(b"\x3b\x00")
            assert (await bench.switched()).ok

    virtual.run(story())
    assert bench.inserted == b"\x3b\x00"


def test_a_modem_may_switch_by_its_own_slot_command(bench: Bench) -> None:
    bench.by_slot_command = True

    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            assert (await bench.switched()).source is SimSource.REMOTE
            assert bench.slot_now == 2
            slot.withdraw("unmapped")
            assert (await bench.switched()).source is SimSource.LOCAL
            assert bench.slot_now == 1

    virtual.run(story())
    assert bench.mux_moves == []


def test_the_slot_command_waits_for_the_modem(bench: Bench) -> None:
    bench.by_slot_command, bench.there, bench.slot_now = True, False, 2

    async def story() -> None:
        async with bench.running():
            await asyncio.sleep(600)
            assert bench.slot_now == 2
            bench.there = True
            await asyncio.sleep(5)
            assert bench.slot_now == 1

    virtual.run(story())


def test_a_modem_without_slots_is_an_error_and_stays_where_it_is(bench: Bench) -> None:
    bench.by_slot_command, bench.slots = True, (1,)

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            return await bench.switched()

    done = virtual.run(story())
    assert not done.ok
    assert "does not use its SIM slot 2" in done.cause


def test_the_local_card_is_reached_with_the_frontend_unplugged(bench: Bench) -> None:
    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            bench.broken_frontend = True
            slot.withdraw("unmapped")
            return await bench.switched()

    done = virtual.run(story())
    assert (done.source, done.ok) == (SimSource.LOCAL, True)
    assert bench.mux_moves == [True, False]


def test_a_line_that_does_not_obey_is_tried_again(bench: Bench) -> None:
    class Stuck(MemoryChip):
        stuck = False

        async def set(self, line: GpioLine, value: bool) -> None:
            if self.stuck:
                raise GpioError("GPIO line sim1 is held by 'somebody'")
            await super().set(line, value)

    chip = bench.chip = Stuck()
    chip.watch("sim1", bench.mux_moves.append)

    async def story() -> list[ev.SimSwitched]:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            chip.stuck = True
            slot.withdraw("unmapped")
            failed = await bench.switched()
            chip.stuck = False
            return [failed, await bench.switched()]

    failed, done = virtual.run(story())
    assert (failed.source, failed.ok) == (SimSource.REMOTE, False), "the line is as it is said to be"
    assert "held by 'somebody'" in failed.cause
    assert (done.source, done.ok) == (SimSource.LOCAL, True)
    assert bench.journal.read() == JournalEntry(SimSource.LOCAL)


def test_a_local_card_that_cannot_be_read_is_said_and_not_tried_for_ever(bench: Bench) -> None:
    bench.local_iccid = None

    async def story() -> ev.SimSwitched:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
            slot.withdraw("unmapped")
            done = await bench.switched()
            await asyncio.sleep(7200)
            return done

    done = virtual.run(story())
    assert (done.source, done.ok) == (SimSource.LOCAL, False)
    assert "read no card" in done.cause
    assert bench.mux_moves == [True, False]


def test_a_release_that_the_wiring_refuses_is_finished_at_the_next_start(bench: Bench) -> None:
    bench.by_slot_command = True

    async def story() -> None:
        async with bench.running() as slot:
            slot.offer(ATR)
            await bench.switched()
        bench.there = False
        await slot.release()
        assert bench.journal.read() == JournalEntry(SimSource.REMOTE, moving_to=SimSource.LOCAL)
        bench.there = True
        async with bench.running():
            assert (await bench.switched()).source is SimSource.LOCAL
        assert bench.slot_now == 1

    virtual.run(story())
    assert bench.journal.read() == JournalEntry(SimSource.LOCAL)


def test_a_modem_keeps_off_the_remote_card_while_somebody_else_uses_it(bench: Bench) -> None:
    async def story() -> None:
        async with bench.running() as slot:
            with slot.kept_off():
                slot.offer(ATR)
                assert not slot.uses_remote
                await asyncio.sleep(3600)
                assert bench.mux_moves == []
            assert slot.uses_remote
            assert (await bench.switched()).source is SimSource.REMOTE

    virtual.run(story())
