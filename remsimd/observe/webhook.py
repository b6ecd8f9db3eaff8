"""Tells a web address of alerts, again and again until it has heard."""

import asyncio
import hashlib
import hmac
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from remsimd.backoff import Backoff
from remsimd.errors import OrchestratorError
from remsimd.http import HttpAnswer

log = logging.getLogger(__name__)

SIGNATURE_HEADER = "X-Remsim-Signature"
TIMEOUT_S = 10.0
MAX_WAITING = 64
GIVE_UP_AFTER = 12
"""Attempts; with the delays below the last one comes about two hours after the first."""
MAX_KEY_BYTES = 4096


class Caller(Protocol):
    """See `remsimd.http.Http`."""

    async def call(
        self,
        method: str,
        url: str,
        *,
        json: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
        keep_open: bool = True,
    ) -> HttpAnswer: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell: `body` becomes JSON; with a `key_file` it is signed by the key in it.

    `worth_telling` is asked before every attempt: an alert acknowledged meanwhile is not sent.
    """

    url: str
    body: Mapping[str, Any]
    key_file: str | None = None
    worth_telling: Callable[[], bool] = lambda: True


class Webhooks:
    """Delivers notices while `run` runs: those for one address in order, retries of one address
    while another one is told."""

    def __init__(self, http: Caller) -> None:
        self._http = http
        self._queues: dict[str, asyncio.Queue[Notice]] = {}
        self._new = asyncio.Event()

    def tell(self, notice: Notice) -> None:
        """Deliver a notice as soon as possible; of very many the oldest are given up."""
        if notice.url not in self._queues:
            self._queues[notice.url] = asyncio.Queue(MAX_WAITING)
            self._new.set()
        queue = self._queues[notice.url]
        if queue.full():
            log.warning("webhook %s: %d notices wait, the oldest is given up", notice.url, MAX_WAITING)
            queue.get_nowait()
        queue.put_nowait(notice)

    async def run(self) -> None:
        """Deliver until cancelled."""
        served: set[str] = set()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for url in self._queues.keys() - served:
                        group.create_task(self._serve(self._queues[url]))
                        served.add(url)
                    self._new.clear()
                    await self._new.wait()
        finally:
            self._http.close()

    async def _serve(self, queue: asyncio.Queue[Notice]) -> None:
        while True:
            await self._deliver(await queue.get())

    async def _deliver(self, notice: Notice) -> None:
        backoff = Backoff(first_s=2.0, cap_s=900.0)
        while notice.worth_telling():
            problem = await self._attempt(notice)
            if problem is None:
                return
            backoff = backoff.failed()
            if backoff.failures >= GIVE_UP_AFTER:
                log.error("webhook %s: given up after %d attempts: %s", notice.url, backoff.failures, problem)
                return
            delay_s = backoff.delay_s(random.random())  # noqa: S311 - jitter, not a secret
            level = logging.WARNING if backoff.failures == 1 else logging.DEBUG
            log.log(level, "webhook %s: %s; again in %.0f s", notice.url, problem, delay_s)
            await asyncio.sleep(delay_s)

    async def _attempt(self, notice: Notice) -> str | None:
        """What went wrong, None when the address has heard."""
        headers = {"Content-Type": "application/json"}
        if notice.key_file is not None:
            try:
                headers[SIGNATURE_HEADER] = signature(notice.body, read_key(Path(notice.key_file)))
            except OSError as error:
                return f"the key {notice.key_file} cannot be read: {error.strerror}"
        try:
            answer = await self._http.call(
                "POST", notice.url, json=notice.body, headers=headers, timeout_s=TIMEOUT_S, keep_open=False
            )
        except OrchestratorError as error:
            # An answer was there, only without the JSON object an orchestrator would give.
            return None if error.code == "protocol" else str(error)
        return None if answer.status < 300 else f"answered HTTP {answer.status}"


def read_key(path: Path) -> bytes:
    """The key in a file, without the line's end; raises OSError, also for an empty file."""
    key = path.read_bytes()[:MAX_KEY_BYTES].strip()
    if not key:
        raise OSError(None, "it is empty")
    return key


def signature(body: Mapping[str, Any], key: bytes) -> str:
    """`sha256=` and the HMAC (RFC 2104) of the body's bytes as they are sent, in hex."""
    sent = json.dumps(body, separators=(",", ":")).encode()
    return "sha256=" + hmac.new(key, sent, hashlib.sha256).hexdigest()
