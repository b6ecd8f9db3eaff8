"""A certificate authority for tests, and a TLS front before a server that speaks none."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key as PEM files."""

    cert: str
    key: str


class Authority:
    """Issues ECDSA (P-256) certificates into a folder; `cert` is its own."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = self._certificate(self._name, self._key, None, ca=True)
        self.cert = str(folder / f"{name}.pem")
        Path(self.cert).write_bytes(own.public_bytes(Encoding.PEM))

    def issue(self, name: str, *hosts: str) -> Issued:
        """A certificate for host names and addresses; without any for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = [_general_name(host) for host in hosts]
        alternatives = x509.SubjectAlternativeName(names) if names else None
        cert = self._certificate(subject, key, alternatives, ca=False)
        files = Issued(str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key"))
        Path(files.cert).write_bytes(cert.public_bytes(Encoding.PEM))
        Path(files.key).write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        names: x509.SubjectAlternativeName | None,
        *,
        ca: bool,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@dataclass
class Front:
    """Ends TLS on a free loopback port and hands plain bytes to `backend`.

    For each handshake, `resumed` has whether a session was resumed and `versions` the protocol;
    `failures` has why others failed.
    """

    backend: tuple[str, int]
    context: ssl.SSLContext
    resumed: list[bool] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()

    @contextmanager
    def running(self) -> Iterator["Front"]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            thread.join()
            for open_socket in tuple(self._sockets):
                with contextlib.suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connected, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connected,), daemon=True).start()

    def _serve(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            secure = self.context.wrap_socket(connected, server_side=True)
        except OSError as error:
            self.failures.append(str(error))
            connected.close()
            return
        self.resumed.append(bool(secure.session_reused))
        self.versions.append(secure.version())
        with secure, socket.create_connection(self.backend) as plain:
            self._sockets |= {secure, plain}
            back = threading.Thread(target=_pump, args=(plain, secure), daemon=True)
            back.start()
            _pump(secure, plain)
            _end(secure)
            _end(plain)
            back.join()
            self._sockets -= {secure, plain}


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            # Head and body of an answer leave together, as from any server that buffers.
            while not isinstance(source, ssl.SSLSocket) and select.select([source], [], [], 0.003)[0]:
                if not (more := source.recv(65536)):
                    break
                data += more
            target.sendall(data)
    _end(target)


def _end(connected: socket.socket) -> None:
    """Say that nothing more comes; without its alert OpenSSL forgets the session with the connection."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(connected, ssl.SSLSocket):
            connected.setblocking(False)
            connected.unwrap()
        connected.shutdown(socket.SHUT_WR)


def server_context(issued: Issued, *, clients_of: str | None = None) -> ssl.SSLContext:
    """A TLS server's context; `clients_of` is the CA whose clients alone are let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    if clients_of is not None:
        context.load_verify_locations(clients_of)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
