"""Commands: at least once delivered, at most once carried out, always answered for."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from remsimd.http import HttpAnswer
from remsimd.orchestrator.commands import Commands
from remsimd.orchestrator.events import CommandDone, CommandReceived
from remsimd.orchestrator.requests import CommandResult, ResultState
from remsimd.orchestrator.store import COMMANDS_FILE, Store
from remsimd.orchestrator.wire import Command
from tests.orchestrator.fake import BEAT, FakeIonmesh, Router, command
from tests.virtual import run


def results(ionmesh: FakeIonmesh) -> list[list[dict[str, Any]]]:
    return [list(body.get("command_results", [])) for body in ionmesh.bodies("heartbeat")]


def test_a_command_is_answered_for_early_and_once(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a"), BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(100))
    assert [ran.id for ran in router.executed] == ["a"]
    assert ionmesh.times("heartbeat") == [2, 2, 62]
    done = {"id": "a", "state": "done", "detail": "modem-reset done"}
    assert results(ionmesh) == [[], [done], []]
    assert router.of(CommandReceived) == [CommandReceived("a", "modem-reset")]
    assert router.of(CommandDone) == [CommandDone("a", "modem-reset", True, "modem-reset done")]


def test_a_repeated_command_is_not_run_again(tmp_path: Path) -> None:
    again = command("a")
    ionmesh = FakeIonmesh(heartbeat=[again, again, again, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(300))
    assert [ran.id for ran in router.executed] == ["a"]
    later = Router(FakeIonmesh(heartbeat=[again, BEAT]), tmp_path)
    run(later.run_for(300))
    assert later.executed == []


def test_a_command_given_twice_in_one_answer_runs_once(tmp_path: Path) -> None:
    twice = command("a")
    twice = HttpAnswer(200, {**twice.body, "commands": [*twice.body["commands"], *twice.body["commands"]]})
    router = Router(FakeIonmesh(heartbeat=[twice, BEAT]), tmp_path)
    run(router.run_for(30))
    assert [ran.id for ran in router.executed] == ["a"]


def test_a_failed_command_says_why(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a", "restart"), BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(30))
    assert results(ionmesh)[1] == [{"id": "a", "state": "failed", "detail": "not now"}]


def test_an_expired_command_is_not_run(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a", expires_at="2020-01-01T00:00:00Z"), BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(30))
    assert router.executed == []
    assert results(ionmesh)[1] == [{"id": "a", "state": "failed", "detail": "not tried: it had expired"}]


def test_a_slow_command_is_acknowledged_and_ends(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a"), BEAT])
    router = Router(ionmesh, tmp_path)
    router.hang = True
    run(router.run_for(400))
    told = [entry for beat in results(ionmesh) for entry in beat]
    assert [entry["state"] for entry in told] == ["acked", "failed"]
    assert told[1]["detail"] == "not done within 300 s"


def test_a_command_cut_short_by_a_restart_has_failed(tmp_path: Path) -> None:
    router = Router(FakeIonmesh(heartbeat=[command("a"), BEAT]), tmp_path)
    router.hang = True
    run(router.run_for(10))
    ionmesh = FakeIonmesh()
    after = Router(ionmesh, tmp_path)
    run(after.run_for(10))
    assert after.executed == []
    assert results(ionmesh)[0] == [
        {"id": "a", "state": "failed", "detail": "the daemon was restarted before it ended"}
    ]


def test_a_client_run_again_answers_for_what_it_was_doing(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a"), command("b"), BEAT])
    router = Router(ionmesh, tmp_path)
    router.hang = True

    async def story() -> None:
        await router.run_for(10)
        await router.run_for(100)

    run(story())
    told = [entry for beat in results(ionmesh) for entry in beat]
    assert [(entry["id"], entry["state"]) for entry in told] == [("a", "failed"), ("b", "acked")]


def test_a_result_survives_until_it_is_told(tmp_path: Path) -> None:
    lost = HttpAnswer(500, {})
    ionmesh = FakeIonmesh(heartbeat=[command("a"), lost, lost, BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(30))
    assert ionmesh.times("heartbeat") == [2, 2, 4, 8]
    assert [len(beat) for beat in results(ionmesh)] == [0, 1, 1, 1]


def test_a_told_result_is_not_told_again_after_a_restart(tmp_path: Path) -> None:
    run(Router(FakeIonmesh(heartbeat=[command("a"), BEAT]), tmp_path).run_for(10))
    ionmesh = FakeIonmesh()
    run(Router(ionmesh, tmp_path).run_for(10))
    assert results(ionmesh) == [[]]


def test_what_cannot_be_recorded_is_not_run(tmp_path: Path) -> None:
    (tmp_path / COMMANDS_FILE).mkdir()
    ionmesh = FakeIonmesh(heartbeat=[command("a"), BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(30))
    assert router.executed == []
    assert results(ionmesh)[1][0]["state"] == "failed"


@pytest.mark.parametrize("content", ['{"format":1,"commands":[{"id":"a"},5]}', '{"format":9}', "[]", "["])
def test_an_unreadable_memory_is_a_fresh_start(tmp_path: Path, content: str) -> None:
    (tmp_path / COMMANDS_FILE).write_text(content)
    router = Router(FakeIonmesh(heartbeat=[command("a"), BEAT]), tmp_path)
    run(router.run_for(30))
    assert [ran.id for ran in router.executed] == ["a"]


def test_set_interval(tmp_path: Path) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a", "set-interval", params={"seconds": 20}), BEAT])
    router = Router(ionmesh, tmp_path)
    run(router.run_for(50))
    assert router.executed == []
    assert ionmesh.times("heartbeat") == [2, 2, 22, 42]


@pytest.mark.parametrize("params", [{}, {"seconds": 5}, {"seconds": "20"}, {"seconds": True}])
def test_set_interval_refuses(tmp_path: Path, params: dict[str, object]) -> None:
    ionmesh = FakeIonmesh(heartbeat=[command("a", "set-interval", params=params), BEAT])
    run(Router(ionmesh, tmp_path).run_for(70))
    assert results(ionmesh)[1][0]["state"] == "failed"
    assert ionmesh.times("heartbeat") == [2, 2, 62]


def test_commands_run_in_order_and_the_memory_is_bounded(tmp_path: Path) -> None:
    async def story() -> None:
        ran: list[str] = []

        async def execute(asked: Command) -> str:
            ran.append(asked.id)
            await asyncio.sleep(1)
            return ""

        store = Store(tmp_path, "owner")
        commands = Commands(execute, store, publish=lambda _: None, on_result=lambda: None, remembered=8)
        running = asyncio.create_task(commands.run())
        names = [f"c{number}" for number in range(20)]
        for name in names:
            commands.accept([Command(name, "restart")])
            await asyncio.sleep(2)
            commands.told(commands.results())
        assert ran == names
        assert len(store.commands()) == 8
        commands.accept([Command(names[-1], "restart")])
        await asyncio.sleep(2)
        assert ran == names
        running.cancel()

    run(story())


def test_results_come_in_portions(tmp_path: Path) -> None:
    async def story() -> None:
        async def execute(_: Command) -> str:
            return "x" * 100_000

        commands = Commands(execute, Store(tmp_path, "owner"), publish=lambda _: None, on_result=lambda: None)
        running = asyncio.create_task(commands.run())
        commands.accept(Command(f"c{number}", "restart") for number in range(70))
        assert commands.results()[0] == CommandResult("c0", ResultState.ACKED)
        await asyncio.sleep(1)
        first = commands.results()
        commands.told(first)
        assert (len(first), len(commands.results())) == (50, 20)
        assert len(first[0].detail) == 8000
        running.cancel()

    run(story())
