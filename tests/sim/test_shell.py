import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remsimd.errors import CardError, FrontendError
from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.shell import ShellFrontend

ATR = bytes.fromhex("3b9f96")
SELECT = "00a40004023f00"
DEADLINE_S = 10.0


class FakeCard:
    """Answers each TPDU with its own octets and 9000; counts how many it has at once."""

    def __init__(self) -> None:
        self.statuses: list[SlotStatus] = []
        self.at_once = 0
        self.most_at_once = 0
        self.failure: str | None = None

    async def transmit(self, tpdu: bytes) -> bytes:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for _ in range(3):
                await asyncio.sleep(0)
            if self.failure is not None:
                raise CardError(self.failure)
            return tpdu + b"\x90\x00"
        finally:
            self.at_once -= 1

    def status(self, status: SlotStatus) -> None:
        self.statuses.append(status)


class Peer:
    """The modem's side of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def line(self) -> str:
        """The next line, "" at the end."""
        async with asyncio.timeout(DEADLINE_S):
            return (await self._reader.readline()).decode().rstrip("\n")

    async def ask(self, line: str) -> str:
        self.writer.write(line.encode() + b"\n")
        return await self.line()


async def connect(path: Path) -> Peer:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return Peer(*await asyncio.open_unix_connection(path))
            except OSError:
                await asyncio.sleep(0)


@asynccontextmanager
async def serving(frontend: ShellFrontend, card: FakeCard) -> AsyncIterator[None]:
    task = asyncio.create_task(frontend.run(card))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sim"


async def test_a_session_as_osmo_remsim_client_shell_has_it(path: Path) -> None:
    frontend, card = ShellFrontend(path), FakeCard()
    await frontend.insert(ATR)
    async with serving(frontend, card):
        peer = await connect(path)
        assert await peer.line() == "SET_ATR: 3b9f96"
        assert await peer.ask(SELECT) == f"R-APDU: {SELECT}9000"
        assert await peer.ask("00 A4 00 04 02 3F 00\r") == f"R-APDU: {SELECT}9000"
        assert await peer.ask("RESET") == "SET_ATR: 3b9f96"
        assert [status.reset_active for status in card.statuses] == [True, False]
        assert all(status.vcc_present for status in card.statuses)
        peer.writer.close()


async def test_insertion_and_removal_are_announced_to_everyone(path: Path) -> None:
    frontend = ShellFrontend(path)
    async with serving(frontend, FakeCard()):
        peers = [await connect(path) for _ in range(2)]
        for peer in peers:
            assert await peer.ask(SELECT) == "ERROR: no card"
        await frontend.insert(ATR)
        await frontend.insert(ATR)
        await frontend.remove()
        await frontend.remove()
        await frontend.insert(b"\x3b\x00")
        for peer in peers:
            assert [await peer.line() for _ in range(3)] == [
                "SET_ATR: 3b9f96",
                "CARD_REMOVED",
                "SET_ATR: 3b00",
            ]
            peer.writer.close()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("", "a TPDU has 5 to 260 octets, not 0"),
        ("hello", "neither hex nor RESET"),
        ("00a4", "a TPDU has 5 to 260 octets, not 2"),
        ("00" * 261, "a TPDU has 5 to 260 octets, not 261"),
        ("\xe9", "neither hex nor RESET"),
    ],
)
async def test_what_is_no_command_is_an_error_and_the_session_goes_on(
    path: Path, line: str, error: str
) -> None:
    frontend = ShellFrontend(path)
    await frontend.insert(ATR)
    async with serving(frontend, FakeCard()):
        peer = await connect(path)
        await peer.line()
        assert await peer.ask(line) == f"ERROR: {error}"
        assert await peer.ask(SELECT) == f"R-APDU: {SELECT}9000"
        peer.writer.close()


async def test_an_endless_line_ends_the_connection(path: Path) -> None:
    frontend = ShellFrontend(path)
    await frontend.insert(ATR)
    async with serving(frontend, FakeCard()):
        peer = await connect(path)
        await peer.line()
        peer.writer.write(b"0" * 5000)
        assert (await peer.line()).startswith("ERROR: a line of more than")
        assert await peer.line() == ""
        peer.writer.close()


async def test_a_card_that_fails_is_an_error(path: Path) -> None:
    frontend, card = ShellFrontend(path), FakeCard()
    await frontend.insert(ATR)
    card.failure = "closed by the peer"
    async with serving(frontend, card):
        peer = await connect(path)
        await peer.line()
        assert await peer.ask(SELECT) == "ERROR: closed by the peer"
        peer.writer.close()


async def test_commands_of_several_peers_reach_the_card_one_by_one(path: Path) -> None:
    frontend, card = ShellFrontend(path), FakeCard()
    await frontend.insert(ATR)
    async with serving(frontend, card):
        peers = [await connect(path) for _ in range(5)]
        for peer in peers:
            await peer.line()
        commands = [f"00a40004023f{number:02x}" for number in range(5)]
        answers = await asyncio.gather(*(p.ask(c) for p, c in zip(peers, commands, strict=True)))
        assert answers == [f"R-APDU: {command}9000" for command in commands]
        assert card.most_at_once == 1
        for peer in peers:
            peer.writer.close()


async def test_the_socket_is_the_owners_alone_and_goes_at_the_end(path: Path) -> None:
    frontend = ShellFrontend(path)
    async with serving(frontend, FakeCard()):
        peer = await connect(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await frontend.insert(ATR)
        assert await peer.line() == "SET_ATR: 3b9f96"
    assert await peer.line() == ""
    assert not path.exists()
    peer.writer.close()


async def test_it_may_be_run_again_over_a_socket_left_behind(path: Path) -> None:
    frontend = ShellFrontend(path)
    for _ in range(2):
        async with serving(frontend, FakeCard()):
            (await connect(path)).writer.close()
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    async with serving(frontend, FakeCard()):
        await frontend.insert(ATR)
        peer = await connect(path)
        assert await peer.line() == "SET_ATR: 3b9f96"
        peer.writer.close()


async def test_a_place_that_cannot_be_listened_on_is_a_frontend_error(path: Path, tmp_path: Path) -> None:
    path.write_text("someone's file")
    for wrong in (path, tmp_path / "nowhere" / "sim"):
        with pytest.raises(FrontendError, match=str(wrong)):
            await ShellFrontend(wrong).run(FakeCard())
    assert path.read_text() == "someone's file"
