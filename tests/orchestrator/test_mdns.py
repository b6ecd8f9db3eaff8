"""Discovery: packets, and a responder on loopback."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.bus import Bus
from remsimd.config.load import parse as parse_config
from remsimd.config.model import IonmeshConfig
from remsimd.errors import ConfigError, OrchestratorError
from remsimd.orchestration import Orchestration
from remsimd.orchestrator import mdns
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.mdns import SERVICE, Found, answer, find, question
from remsimd.orchestrator.requests import HeartbeatRequest
from remsimd.ways import Ways
from tests.orchestrator.fake import BEAT, REFUSED_CONNECTION, URL, FakeIonmesh


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def record(owner: bytes, kind: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", kind, 0x8001, 120, len(data)) + data


def reply(
    host: str = "ionmesh.local", port: int = 5000, txt: bytes = b"\x05tls=1", *, echo: bool = True
) -> bytes:
    """What a responder answers: PTR, and SRV, TXT and A beside it, names compressed."""
    instance = b"\x07IonMesh\xc0\x0c"
    asked = name(SERVICE) + struct.pack("!HH", 12, 1)
    pointer = b"\xc0\x0c" if echo else name(SERVICE)
    head = struct.pack("!6H", 0, 0x8400, int(echo), 1, 0, 3) + (asked if echo else b"")
    instance = instance if echo else b"\x07IonMesh" + name(SERVICE)
    return (
        head
        + record(pointer, 12, instance)
        + record(instance, 33, struct.pack("!3H", 0, 0, port) + name(host))
        + record(instance, 16, txt)
        + record(name(host), 1, socket.inet_aton("192.0.2.7"))
    )


@pytest.mark.parametrize("echo", [True, False])
def test_an_answer(echo: bool) -> None:
    found = answer(reply(echo=echo))
    assert found == Found("ionmesh.local", "192.0.2.7", 5000, True)
    assert found.url == "https://ionmesh.local:5000"


def test_one_without_tls_says_so() -> None:
    found = answer(reply(txt=b"\x05tls=0\x09version=1"))
    assert found is not None
    assert found.url == "http://ionmesh.local:5000"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        question(),
        reply()[:60],
        reply(port=0),
        reply(host="bad host.local"),
        struct.pack("!6H", 0, 0x8400, 0, 1, 0, 0) + b"\xc0\x0c",
        reply().replace(b"_ionmesh", b"_printer"),
    ],
)
def test_what_is_no_answer(packet: bytes) -> None:
    assert answer(packet) is None


@given(st.binary(max_size=300))
def test_any_packet_is_survived(noise: bytes) -> None:
    answer(noise)
    answer(struct.pack("!6H", 0, 0x8400, 0, 1, 0, 3) + noise)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_answer_is_survived(place: int, byte: int) -> None:
    packet = bytearray(reply())
    packet[place % len(packet)] = byte
    found = answer(bytes(packet))
    assert found is None or 0 < found.port < 65536


@contextmanager
def responder(*packets: bytes, after: int = 0) -> Iterator[tuple[str, int]]:
    """Answers the question number `after` and those that follow."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        asked: list[bytes] = []

        def hear() -> None:
            packet, sender = listening.recvfrom(9000)
            asked.append(packet)
            assert packet == question()
            if len(asked) > after:
                for prepared in packets:
                    listening.sendto(prepared, sender)

        loop = asyncio.get_running_loop()
        loop.add_reader(listening, hear)
        try:
            yield listening.getsockname()
        finally:
            loop.remove_reader(listening)


async def test_asking() -> None:
    with responder(b"noise", reply()) as group:
        assert await find("mdns", group=group) == Found("ionmesh.local", "192.0.2.7", 5000, True)


async def test_a_lost_question_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns, "ASK_AFTER_S", (0.0, 0.05, 0.1))
    with responder(reply(), after=1) as group:
        assert (await find("mdns", group=group)).port == 5000


async def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns, "WAIT_S", 0.1)
    with responder() as group, pytest.raises(OrchestratorError, match="no IonMesh answered") as caught:
        await find("mdns", group=group)
    assert caught.value.code == "connect"


@pytest.mark.skipif(os.geteuid() != 0, reason="binding to a device needs CAP_NET_RAW")
async def test_through_an_interface() -> None:
    with responder(reply()) as group:
        assert (await find("mdns:lo", group=group)).host == "ionmesh.local"
        with pytest.raises(OrchestratorError, match="nosuch0"):
            await find("mdns:nosuch0", group=group)


def test_it_is_asked_for_in_the_configuration() -> None:
    for url in ("mdns", "mdns:br-lan"):
        text = f"config ionmesh\n\toption enabled 1\n\toption url '{url}'\n"
        assert parse_config(text, "test").ionmesh.url == url
    with pytest.raises(ConfigError):
        parse_config("config ionmesh\n\toption enabled 1\n\toption url 'mdns:a b'\n", "test")


async def test_it_is_looked_for_again_when_it_was_lost() -> None:
    ionmesh = FakeIonmesh(heartbeat=[BEAT, BEAT, REFUSED_CONNECTION, BEAT])
    asked: list[str] = []

    async def found(url: str) -> str:
        asked.append(url)
        return URL

    config = IonmeshConfig(enabled=True, url="mdns:br-lan")
    way = Way(lambda: None, lambda: None, lambda: False)
    calls = Calls(config, ionmesh, way=way, publish=lambda _: None, find=found)
    beat = HeartbeatRequest(client_id="r")
    await calls.heartbeat(beat)
    await calls.heartbeat(beat)
    assert asked == ["mdns:br-lan"]
    with pytest.raises(OrchestratorError):
        await calls.heartbeat(beat)
    await calls.heartbeat(beat)
    assert asked == ["mdns:br-lan"] * 2


async def test_plain_http_that_was_found_needs_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def found(url: str, device: str | None) -> Found:
        return Found("ionmesh.local", "192.0.2.7", 5000, tls=False)

    monkeypatch.setattr(mdns, "find", found)
    ways = Ways((), engine=lambda: None, accounts=lambda: None)
    for insecure in (False, True):
        config = IonmeshConfig(enabled=True, url="mdns", insecure=insecure)
        orchestration = Orchestration(config, "r", ways=ways, bus=Bus(), state_dir=tmp_path)
        if insecure:
            assert await orchestration.find("mdns") == "http://ionmesh.local:5000"
        else:
            with pytest.raises(OrchestratorError, match="insecure 1"):
                await orchestration.find("mdns")
