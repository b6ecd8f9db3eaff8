"""Watching and steering a running remsimd from another process, with deadlines."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simlab.links import LabError
from simlab.process import run_once

POLL_S = 0.05


class RemsimdControl:
    """The daemon behind a control socket; `log` is named where something did not come about."""

    def __init__(self, socket: Path, log: Path) -> None:
        self._socket = socket
        self._log = log

    async def call(self, method: str, **params: Any) -> Any:
        """The result of one control request; raises OSError while nobody answers, LabError for a refusal."""
        reader, writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 20)
        with contextlib.closing(writer):
            writer.write(json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n")
            line = await reader.readline()
        if not line:
            raise ConnectionResetError("remsimd ended while it was asked")
        answer = json.loads(line)
        if "error" in answer:
            raise LabError(answer["error"])
        return answer["result"]

    async def remsimctl(self, *words: str) -> str:
        """What `remsimctl` prints; ProgramError with its words when it fails."""
        program = str(Path(sys.executable).with_name("remsimctl"))
        return await run_once([program, "--socket", str(self._socket), *words])

    async def until(
        self, holds: Callable[[dict[str, Any]], bool], what: str, *, within_s: float = 20.0
    ) -> dict[str, Any]:
        """The router's status as soon as `holds` is true of it; LabError naming `what` when it never is."""
        status: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(OSError):
                        status = await self.call("status")
                        if holds(status):
                            return status
                    await asyncio.sleep(POLL_S)
        raise LabError(f"not within {within_s:.0f} s: {what}; log: {self._log}")

    async def entry(
        self, holds: Callable[[dict[str, Any]], bool], what: str, *, after: int = 0, within_s: float = 20.0
    ) -> dict[str, Any]:
        """The first timeline entry after number `after` that fits; LabError when none comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(OSError):
                        for entry in await self.call("events", after=after):
                            if holds(entry):
                                return dict(entry)
                    await asyncio.sleep(POLL_S)
        raise LabError(f"not within {within_s:.0f} s: {what}; log: {self._log}")
