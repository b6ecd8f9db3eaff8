"""One TCP connection as osmo-remsim's server and bankd handle it."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable

from remsimd.errors import RsproError
from remsimd.rspro import codec, ipa
from remsimd.rspro.pdu import ConnectClientRes, Message, RsproPdu
from simlab.bank.quirks import Quirks

log = logging.getLogger(__name__)

CONNECT_RES_TAG = 2342
"""The constant that deployed programs send in ConnectClientRes."""
READ_OCTETS = 4096
PING_INTERVAL_S = 30.0
PONG_TIMEOUT_S = 10.0

Trace = Callable[[str, bytes], None]
"""Hears every frame with its direction: 'in' or 'out'."""


class Peer:
    """Reads PDUs, answers the keepalive, sends. Works on a bare socket, because some quirks
    are about single recv calls.

    `pdus` are the PDUs that arrive, until the connection ends or stops being RSPRO; it may be
    iterated over in several places, one after the other. `address` is the other side's.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        quirks: Quirks,
        *,
        single_recv: bool = False,
        trace: Trace | None = None,
    ) -> None:
        self.address = address
        self.pdus: AsyncIterator[RsproPdu] = self._pdus()
        self._ponged = asyncio.Event()
        self._sock = sock
        self._quirks = quirks
        self._single_recv = single_recv and quirks.single_recv
        self._trace = trace

    async def send(self, message: Message, *, answers: RsproPdu | None = None) -> None:
        """Send a message; an answer carries the tag that deployed programs give it."""
        tag = CONNECT_RES_TAG if isinstance(message, ConnectClientRes) else 0
        if answers is not None and self._quirks.echo_tags:
            tag = answers.tag
        await self.send_frame(ipa.rspro(codec.encode(RsproPdu(message, tag))))

    async def send_frame(self, frame: bytes) -> None:
        """Send one IPA frame; a connection that does not take it is closed."""
        if self._trace is not None:
            self._trace("out", frame)
        try:
            await asyncio.get_running_loop().sock_sendall(self._sock, frame)
        except OSError as error:
            log.info("%s: %s", self.address, error)
            self.close()

    async def keepalive(self, interval_s: float = PING_INTERVAL_S, timeout_s: float = PONG_TIMEOUT_S) -> None:
        """PING every interval; close the connection when no PONG comes in time."""
        while True:
            await asyncio.sleep(interval_s)
            self._ponged.clear()
            await self.send_frame(ipa.PING)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._ponged.wait()
            except TimeoutError:
                self.close()
                return

    def close(self) -> None:
        """End the connection; a reader waiting on it is told."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    async def _pdus(self) -> AsyncIterator[RsproPdu]:
        frames = self._one_recv_frames() if self._single_recv else self._frames()
        async for frame in frames:
            if self._trace is not None:
                self._trace("in", _bytes(frame))
            if frame.proto is ipa.Proto.CCM:
                await self._ccm(frame.body[0])
                continue
            try:
                yield codec.decode(frame.body)
            except RsproError:
                return

    async def _ccm(self, kind: int) -> None:
        if kind == ipa.Ccm.PONG:
            self._ponged.set()
        elif kind == ipa.Ccm.PING and self._quirks.pong:
            await self.send_frame(ipa.PONG)
        elif kind == ipa.Ccm.ID_ACK and self._quirks.answer_id_ack:
            await self.send_frame(ipa.ccm(ipa.Ccm.ID_ACK))

    async def _frames(self) -> AsyncIterator[ipa.Frame]:
        deframer = ipa.Deframer()
        while chunk := await self._recv(READ_OCTETS):
            try:
                frames = deframer.feed(chunk)
            except RsproError:
                return
            for frame in frames:
                yield frame

    async def _one_recv_frames(self) -> AsyncIterator[ipa.Frame]:
        while len(header := await self._recv(ipa.HEADER_OCTETS)) == ipa.HEADER_OCTETS:
            length = int.from_bytes(header[:2], "big")
            body = await self._recv(length)
            if len(body) < length:
                log.info("%s: %d of %d octets in one recv: closing", self.address, len(body), length)
                return
            try:
                frames = ipa.Deframer().feed(header + body)
            except RsproError:
                return
            for frame in frames:
                yield frame

    async def _recv(self, octets: int) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, octets)
        except OSError as error:
            log.info("%s: %s", self.address, error)
            return b""


def _bytes(frame: ipa.Frame) -> bytes:
    if frame.proto is ipa.Proto.OSMO:
        return ipa.rspro(frame.body)
    return ipa.ccm(ipa.Ccm(frame.body[0]), frame.body[1:]) if frame.body[0] in list(ipa.Ccm) else b""
