"""A daemon's control socket as the lab asks it: answers, refusals, and what never comes about."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from simlab.control import RemsimdControl
from simlab.links import LabError

Answer = dict[str, Any] | None


@contextlib.asynccontextmanager
async def daemon(socket: Path, answers: Iterator[Answer]) -> AsyncIterator[list[Any]]:
    """What answers each question with the next of these, None with its end; the questions it was asked."""
    asked: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            asked.append(json.loads(await reader.readline()))
            answer = next(answers)
            if answer is not None:
                writer.write(json.dumps({"id": 1, **answer}).encode() + b"\n")

    async with await asyncio.start_unix_server(serve, socket):
        yield asked


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def control(socket: Path, tmp_path: Path) -> RemsimdControl:
    return RemsimdControl(socket, tmp_path / "remsimd.log")


async def test_a_call_gives_the_result_or_the_refusal(socket: Path, control: RemsimdControl) -> None:
    answers = iter([{"result": {"version": "1"}}, {"error": "no link 'tertiary'"}, None])
    async with daemon(socket, answers) as asked:
        assert await control.call("status") == {"version": "1"}
        with pytest.raises(LabError, match="no link 'tertiary'"):
            await control.call("failover.to", link="tertiary")
        with pytest.raises(ConnectionResetError):
            await control.call("status")
    assert asked[1] == {"id": 1, "method": "failover.to", "params": {"link": "tertiary"}}


async def test_a_status_is_waited_for_from_before_the_daemon_is_up(
    socket: Path, control: RemsimdControl
) -> None:
    waiting = asyncio.create_task(control.until(lambda status: status["active_link"] == "b", "data on b"))
    await asyncio.sleep(0)
    answers: Iterator[Answer] = iter(
        [None, {"result": {"active_link": "a"}}, {"result": {"active_link": "b"}}]
    )
    async with daemon(socket, answers):
        assert await waiting == {"active_link": "b"}


async def test_what_never_comes_about_is_named_with_the_log(control: RemsimdControl, tmp_path: Path) -> None:
    with pytest.raises(LabError, match=rf"not within 0 s: data on b; log: {tmp_path}/remsimd.log"):
        await control.until(lambda status: True, "data on b", within_s=0.1)
    with pytest.raises(LabError, match="not within 0 s: a switch"):
        await control.entry(lambda entry: True, "a switch", within_s=0.1)


async def test_the_first_entry_that_fits_is_given(socket: Path, control: RemsimdControl) -> None:
    entries = [{"seq": 8, "kind": "modem"}, {"seq": 9, "kind": "failover"}, {"seq": 10, "kind": "failover"}]
    async with daemon(socket, iter([{"result": []}, {"result": entries}])) as asked:
        assert (await control.entry(lambda entry: entry["kind"] == "failover", "a move", after=7))["seq"] == 9
    assert [question["params"] for question in asked] == [{"after": 7}, {"after": 7}]
