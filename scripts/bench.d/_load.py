"""Requests to one port, each on a connection of its own, as the deployed client sends them.

It shares the machine with what it measures, so it costs little: non-blocking sockets and one epoll.
"""

from __future__ import annotations

import json
import random
import select
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

# What the deployed client waits for an answer.
CLIENT_TIMEOUT_S = 10.0
# "HTTP/1.1 200"
STATUS = slice(9, 12)
ANSWER_BYTES = 65536


@dataclass
class Outcome:
    """What came of one phase; times are in seconds."""

    times_s: list[float] = field(default_factory=list)
    failures: int = 0
    took_s: float = 0.0

    def percentile_ms(self, share: float) -> float:
        """Return the time below which that share of the answers came; infinity when there were none."""
        if not self.times_s:
            return float("inf")
        return 1000 * sorted(self.times_s)[min(len(self.times_s) - 1, int(share * len(self.times_s)))]


@dataclass(slots=True)
class _Exchange:
    """One request on its connection; `due_s` is when its time began."""

    connection: socket.socket
    request: bytes
    due_s: float
    answer: bytes = b""


class Load:
    """Sends requests to one port."""

    def __init__(self, port: int, key: str) -> None:
        self._address = ("127.0.0.1", port)
        self._key = key

    def request(self, call: str, body: dict[str, object]) -> bytes:
        """Return the bytes of a POST."""
        payload = json.dumps(body, separators=(",", ":"))
        return (
            f"POST /api/backend/v1/remsim/{call} HTTP/1.1\r\nHost: ionmesh\r\nX-API-Key: {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
            f"{payload}"
        ).encode()

    def at_rate(self, requests: Sequence[bytes], per_s: float) -> Outcome:
        """Send requests at random moments, `per_s` a second on average, whatever becomes of earlier ones.

        A request's time begins when it was due.
        """
        due_s, after_s = [], 0.0
        for _ in requests:
            after_s += random.expovariate(per_s)
            due_s.append(after_s)
        return _Phase(self._address).run(requests, due_s, len(requests))

    def at_once(self, requests: Sequence[bytes], in_flight: int) -> Outcome:
        """Send requests as fast as they are answered, `in_flight` at a time.

        A request's time begins when its connection does.
        """
        return _Phase(self._address).run(requests, None, in_flight)


class _Phase:
    """One run of requests."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._open: dict[int, _Exchange] = {}
        self._outcome = Outcome()

    def run(self, requests: Sequence[bytes], due_s: Sequence[float] | None, in_flight: int) -> Outcome:
        """Send each request once it is due, seconds after the start; None: at once."""
        started_s = time.perf_counter()
        waiting = deque(enumerate(requests))
        with select.epoll() as poll:
            while waiting or self._open:
                wait_s = CLIENT_TIMEOUT_S
                while waiting and len(self._open) < in_flight:
                    now_s = time.perf_counter()
                    begins_s = now_s if due_s is None else started_s + due_s[waiting[0][0]]
                    wait_s = begins_s - now_s
                    if wait_s > 0:
                        break
                    self._begin(poll, waiting.popleft()[1], begins_s)
                for fd, _ in poll.poll(max(0.0, min(wait_s, CLIENT_TIMEOUT_S))):
                    self._go_on(poll, self._open[fd])
                self._give_up(time.perf_counter() - CLIENT_TIMEOUT_S)
        self._outcome.took_s = time.perf_counter() - started_s
        return self._outcome

    def _begin(self, poll: select.epoll, request: bytes, begins_s: float) -> None:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.connect_ex(self._address)
        self._open[connection.fileno()] = _Exchange(connection, request, begins_s)
        poll.register(connection, select.EPOLLOUT)

    def _go_on(self, poll: select.epoll, exchange: _Exchange) -> None:
        try:
            if exchange.request:
                # Connected, or not: then this fails. It is far smaller than what a socket takes at once.
                exchange.connection.send(exchange.request)
                exchange.request = b""
                poll.modify(exchange.connection, select.EPOLLIN)
                return
            part = exchange.connection.recv(ANSWER_BYTES)
        except OSError:
            self._end(exchange, succeeded=False)
            return
        exchange.answer += part
        if not part:
            self._end(exchange, succeeded=exchange.answer[STATUS] == b"200")

    def _end(self, exchange: _Exchange, *, succeeded: bool) -> None:
        del self._open[exchange.connection.fileno()]
        exchange.connection.close()
        if succeeded:
            self._outcome.times_s.append(time.perf_counter() - exchange.due_s)
        else:
            self._outcome.failures += 1

    def _give_up(self, before_s: float) -> None:
        # The oldest comes first.
        while self._open and (oldest := next(iter(self._open.values()))).due_s < before_s:
            self._end(oldest, succeeded=False)
