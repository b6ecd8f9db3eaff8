"""Counting what remsimd sends: real connections, a restart, a file that says something else."""

import asyncio
import json
from pathlib import Path

import pytest

from remsimd.config.model import ModemConfig
from remsimd.events import DataSpent, Event
from remsimd.failover.accounts import FILE, KEEP_EVERY_S, Accounts, limits_of
from tests.virtual import run

MODEMS = (ModemConfig(name="primary"), ModemConfig(name="iot", data_limit_mb=10, data_reset_day=3))


def accounts(folder: Path, heard: list[Event] | None = None) -> Accounts:
    return Accounts(limits_of(MODEMS), folder, publish=[].append if heard is None else heard.append)


async def for_a_while(made: Accounts, seconds: float) -> None:
    task = asyncio.create_task(made.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_only_links_with_a_limit_have_an_account(tmp_path: Path) -> None:
    made = accounts(tmp_path)
    made.charge("iot", 100)
    made.charge("primary", 100)
    made.charge(None, 100)
    assert made.spent_bytes("iot") == 100
    with pytest.raises(KeyError):
        made.spent_bytes("primary")
    assert made.pause_s("primary", 5.0, 10**9, urgent=False) == 5.0


def test_the_count_survives_a_restart_and_the_flash_is_spared(tmp_path: Path) -> None:
    async def first() -> None:
        made = accounts(tmp_path)
        made.charge("iot", 1234)
        task = asyncio.create_task(made.run())
        await asyncio.sleep(KEEP_EVERY_S - 60)
        assert not (tmp_path / FILE).exists()
        await asyncio.sleep(120)
        assert (tmp_path / FILE).exists()
        made.charge("iot", 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(first())
    assert accounts(tmp_path).spent_bytes("iot") == 1235


def test_a_kill_loses_a_thousandth_of_the_limit_at_most(tmp_path: Path) -> None:
    async def story() -> list[int]:
        made = accounts(tmp_path)
        task = asyncio.create_task(made.run())
        after_a_kill = []
        for _ in range(20):
            made.charge("iot", 3_000)
            await asyncio.sleep(60)
            after_a_kill.append(accounts(tmp_path).spent_bytes("iot"))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return after_a_kill

    kept = run(story())
    assert all(3_000 * minute - bytes_ < 10_000 for minute, bytes_ in enumerate(kept, 1))
    assert len(set(kept)) == 6, "12 kB are written at once, not each 3 kB"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"iot": 7}', '{"iot": {"2026-11-03": -5}}', '{"iot": {"x": "y"}}']
)
def test_a_file_that_holds_no_account_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert accounts(tmp_path).spent_bytes("iot") == 0


def test_a_month_without_a_date_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"iot": {"unset": 5}}))
    assert accounts(tmp_path).spent_bytes("iot") == 5


def test_an_account_that_cannot_be_kept_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.touch()
    made = accounts(in_the_way)
    made.charge("iot", 20_000)
    run(for_a_while(made, 600))
    assert made.spent_bytes("iot") == 20_000
    refusals = [each.levelname for each in caplog.records if "cannot be kept" in each.getMessage()]
    assert refusals.count("WARNING") == 1, "a repeated failure is told once"


def test_what_was_spent_is_told(tmp_path: Path) -> None:
    heard: list[Event] = []
    made = accounts(tmp_path, heard)
    made.charge("iot", 9_500_000)
    run(for_a_while(made, 125))
    assert heard == [DataSpent("iot", 9_500_000, 10_000_000, True)] * 3


async def test_a_connection_is_charged_while_it_lives_and_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remsimd.failover.accounts.LOOK_EVERY_S", 0.01)
    made = accounts(tmp_path)

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    made.watch("iot", writer.get_extra_info("socket"))
    work = asyncio.create_task(made.run())
    writer.write(b"x" * 1000)

    async def reaches(least: int) -> None:
        async with asyncio.timeout(5):
            while made.spent_bytes("iot") < least:
                await asyncio.sleep(0.005)

    await reaches(1000 + 3 * 52)
    before = made.spent_bytes("iot")
    assert before < 1000 + 10 * 60
    writer.close()
    await reaches(before + 100)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    server.close()
    await server.wait_closed()
