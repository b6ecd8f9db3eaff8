"""A download that goes on where it stopped, and the server it comes from.

`python -m simlab.download serve HOST PORT RATE` sends the numbers of an endless sequence, four
octets each, at RATE bytes a second, from the offset (8 octets, big-endian) that the client asks
for. `python -m simlab.download fetch HOST PORT` reads them for ever and prints a JSON line for
each tenth of a second with data, for each new connection, and for octets that are not those asked
for: offset, connections, wrong.
`python -m simlab.download echo HOST PORT` answers datagrams, `python -m simlab.download ask HOST
PORT EVERY_S` sends them from one socket, `new` from a new one each time, and both print a line for
each answer: sent_s, at_s.
"""

import contextlib
import json
import socket
import struct
import sys
import threading
import time

STALLED_S = 0.4
"""A client that hears nothing for so long tries a new connection."""
CONNECT_S = 0.3
TELL_S = 0.1
CHUNK_BYTES = 4096


def main() -> None:
    """Do what the command line says until the process is ended."""
    role, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    match role:
        case "serve":
            serve(host, port, float(sys.argv[4]))
        case "fetch":
            fetch(host, port)
        case "echo":
            echo(host, port)
        case "ask":
            ask(host, port, float(sys.argv[4]))
        case "new":
            ask_anew(host, port, float(sys.argv[4]))


def serve(host: str, port: int, rate_bytes_s: float) -> None:
    """Serve each client in a thread."""
    with socket.create_server((host, port)) as server:
        print("ready", flush=True)
        while True:
            client, _ = server.accept()
            threading.Thread(target=send, args=(client, rate_bytes_s), daemon=True).start()


def send(client: socket.socket, rate_bytes_s: float) -> None:
    """The sequence from the wanted offset on."""
    with client, contextlib.suppress(OSError):
        client.settimeout(10)
        (offset,) = struct.unpack("!Q", client.recv(8, socket.MSG_WAITALL))
        while True:
            client.sendall(sequence(offset, CHUNK_BYTES))
            offset += CHUNK_BYTES
            time.sleep(CHUNK_BYTES / rate_bytes_s)


def sequence(offset: int, count: int) -> bytes:
    """So many octets of the endless sequence, from this offset on."""
    first = offset // 4
    last = (offset + count + 3) // 4
    numbers = b"".join(struct.pack("!I", number & 0xFFFFFFFF) for number in range(first, last))
    return numbers[offset - first * 4 :][:count]


def fetch(host: str, port: int) -> None:
    """Read for ever, with a new connection whenever nothing comes any more."""
    offset = connections = 0
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((host, port), timeout=CONNECT_S) as server,
        ):
            connections += 1
            server.settimeout(STALLED_S)
            server.sendall(struct.pack("!Q", offset))
            told_s = 0.0
            while data := server.recv(65536):
                wrong = data != sequence(offset, len(data))
                offset += len(data)
                if wrong or time.monotonic() - told_s >= TELL_S:
                    told_s = time.monotonic()
                    tell(offset=offset, connections=connections, wrong=wrong)
        time.sleep(0.02)


def echo(host: str, port: int) -> None:
    """Send every datagram back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, port))
        print("ready", flush=True)
        while True:
            datagram, peer = sock.recvfrom(2048)
            sock.sendto(datagram, peer)


def ask(host: str, port: int, every_s: float) -> None:
    """One flow of datagrams, in the order sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((host, port))
        sock.settimeout(every_s)
        while True:
            with contextlib.suppress(OSError):
                sock.send(struct.pack("!d", time.monotonic()))
            end_s = time.monotonic() + every_s
            while (left_s := end_s - time.monotonic()) > 0:
                sock.settimeout(left_s)
                with contextlib.suppress(OSError):
                    (sent_s,) = struct.unpack("!d", sock.recv(64))
                    tell(sent_s=sent_s, at_s=time.monotonic())


def ask_anew(host: str, port: int, every_s: float) -> None:
    """Datagrams of which each is a flow of its own."""
    while True:
        sent_s = time.monotonic()
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(every_s)
            sock.connect((host, port))
            sock.send(b"?")
            sock.recv(64)
            tell(sent_s=sent_s, at_s=time.monotonic())
        time.sleep(max(sent_s + every_s - time.monotonic(), 0.0))


def tell(**fields: object) -> None:
    """Print one JSON line."""
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    main()
