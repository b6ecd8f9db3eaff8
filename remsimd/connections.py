"""urllib3 connections that are cheap on a metered link, and counted.

- A TLS session is offered again (RFC 8446, 2.2; RFC 5077), which spares the certificates.
- Head and body of a request leave in one write: one TLS record, mostly one packet.
- A connection that will not be used again can be reset instead of shut down: one packet for
  five or six.
- What each costs on the wire is read from the kernel (TCP_INFO).
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Mapping
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from remsimd.net import TrafficBytes, closing_bytes, forget_route, tcp_wire_bytes

_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: close() sends RST."""
OPTIONS = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)]
"""Set before connecting; without the second the kernel acknowledges each early packet on its own."""
_OP_TLSEXT_PADDING = 0x10
"""Part of SSL_OP_ALL (openssl/ssl.h): hellos of 256 to 511 bytes are padded for balancers of 2013."""


class ResumingContext(ssl.SSLContext):
    """A client's TLS context that offers each server the latest session it had with it."""

    def __init__(self, protocol: int) -> None:
        self._sessions: dict[str | bytes | None, ssl.SSLSession] = {}

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """See `ssl.SSLContext.wrap_socket`; the session is ours to choose."""
        known = session or self._sessions.get(server_hostname)
        if known is None:
            return super().wrap_socket(
                sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname
            )
        connected = super().wrap_socket(
            sock, server_side, False, suppress_ragged_eofs, server_hostname, known
        )
        try:
            _resume(connected)
        except BaseException:
            connected.close()
            raise
        return connected

    def remember(self, connected: ssl.SSLSocket) -> None:
        """Offer this connection's session next time; TLS 1.3 has it only after an answer was read."""
        session = connected.session
        if session is not None and (session.has_ticket or session.id):
            self._sessions[connected.server_hostname] = session

    def forget(self) -> None:
        """Begin with a full handshake again, after a failure."""
        self._sessions.clear()


def _resume(connected: ssl.SSLSocket) -> None:
    """A handshake of which the client has the last word, held back until the request is there, too."""
    timeout_s = connected.gettimeout()
    connected.settimeout(0)
    with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
        # Only the hello goes out: the server's answer cannot be here yet.
        connected.do_handshake()
    connected.settimeout(timeout_s)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    connected.do_handshake()


_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def client_context(
    ca_cert: str | None, client_cert: str | None, client_key: str | None, *, oldest: str, newest: str
) -> ResumingContext:
    """TLS of a version between two, to a server whose certificate is for the host asked for.

    `ca_cert` None trusts what the system trusts. Raises OSError (which ssl.SSLError is) naming
    the file that cannot be used.
    """
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version, context.maximum_version = _VERSIONS[oldest], _VERSIONS[newest]
    # The AEAD suites with ephemeral keys: what any server has today, in a shorter hello.
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options &= ~_OP_TLSEXT_PADDING
    try:
        if ca_cert is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(ca_cert)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}: {ca_cert}") from error
    if client_cert is not None and client_key is not None:
        try:
            context.load_cert_chain(client_cert, client_key)
        except OSError as error:
            files = f"{client_cert} with {client_key}"
            raise OSError(error.errno, f"{error.strerror or error}: {files}") from error
    return context


class Contexts:
    """A client's TLS contexts: one for lasting connections, one for those of a single call."""

    def __init__(
        self, ca_cert: str | None, client_cert: str | None, client_key: str | None, oldest: str
    ) -> None:
        self._files = ca_cert, client_cert, client_key
        self._oldest = oldest
        self._made: dict[str, ResumingContext] = {}
        self._only_newest = False

    def pick(self, lasting: bool) -> ResumingContext:
        """The one to use; raises OSError naming a file that cannot be used."""
        newest = "1.3" if lasting or self._only_newest else max("1.2", self._oldest)
        if newest not in self._made:
            self._made[newest] = client_context(*self._files, oldest=self._oldest, newest=newest)
        return self._made[newest]

    def failed(self, error: Exception) -> None:
        """Begin with a full handshake again, and with the newest version if the server wants that."""
        for context in self._made.values():
            context.forget()
        if "protocol version" in str(error).lower().replace("_", " "):
            self._only_newest = True


class Meter:
    """What the connections of one session cost since `take` was asked last."""

    def __init__(self) -> None:
        self._open: set[FrugalConnection] = set()
        self._total = TrafficBytes()

    def opened(self, connection: "FrugalConnection") -> None:
        """A connection begins to be counted."""
        self._open.add(connection)

    def closing(self, connection: "FrugalConnection", *, abort: bool = False) -> None:
        """It ends: the last figures, and what closing costs, which nothing tells any more."""
        if connection in self._open:
            self._open.discard(connection)
            self._total += connection.unread() + closing_bytes(abort)

    def settle(self, *, keep_open: bool) -> None:
        """After an answer: keep the TLS sessions, and the connections or not."""
        for connection in tuple(self._open):
            connection.remember_session()
            if not keep_open:
                connection.abort()

    def take(self) -> TrafficBytes:
        """The bytes on the wire, IP headers included, since the last time."""
        for connection in tuple(self._open):
            self._total += connection.unread()
        taken, self._total = self._total, TrafficBytes()
        return taken


class FrugalConnection(HTTPConnection):
    """One connection; `meter` counts it, `addresses` says where hosts are that DNS does not know."""

    meter: Meter
    addresses: Mapping[str, str]
    _held: list[bytes] | None = None
    _read = TrafficBytes()
    _watched: socket.socket | None = None
    """A second descriptor, because the first is not told when a handshake fails."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        """See `HTTPConnection.request`; sends everything in one write."""
        self._held = []
        try:
            super().request(*args, **kwargs)
        finally:
            held, self._held = self._held, None
        if self.sock is not None:
            forget_route(self.sock)
        self.send(b"".join(held))
        if self.sock is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def send(self, data: Any) -> None:
        """See `http.client.HTTPConnection.send`."""
        if self._held is None:
            super().send(data)
        else:
            self._held.append(bytes(data))

    def close(self) -> None:
        """See `HTTPConnection.close`."""
        self.meter.closing(self)
        super().close()
        if self._watched is not None:
            self._watched.close()
            self._watched = None

    def abort(self) -> None:
        """Close with one RST, once everything was received."""
        if self.sock is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.meter.closing(self, abort=True)
        self.close()

    def unread(self) -> TrafficBytes:
        """What it cost since this was asked last."""
        watched = self._watched
        now = self._read if watched is None else tcp_wire_bytes(watched) or self._read
        before, self._read = self._read, now
        return now - before

    def remember_session(self) -> None:
        """Keep the TLS session, where there is one."""
        if isinstance(self.sock, ssl.SSLSocket) and isinstance(self.sock.context, ResumingContext):
            self.sock.context.remember(self.sock)

    def _new_conn(self) -> socket.socket:
        self._dns_host = self.addresses.get(self._dns_host, self._dns_host)
        connected = super()._new_conn()
        self._read, self._watched = TrafficBytes(), connected.dup()
        self.meter.opened(self)
        return connected


def use(pools: PoolManager, counted_by: Meter, known: Mapping[str, str]) -> None:
    """Make a pool manager open connections of ours."""

    class Plain(FrugalConnection):
        meter = counted_by
        addresses = known

    class Secure(FrugalConnection, HTTPSConnection):
        meter = counted_by
        addresses = known

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    pools.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
