"""`ionmesh run` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any

DEADLINE_S = 20


class ServerProcess:
    """Runs on a free loopback port until it is stopped or killed; `output` has what it wrote to stderr."""

    def __init__(self, database: Path, **environ: str) -> None:
        self._arguments = ["run", "--port", "0", "--database", f"sqlite:///{database}"]
        self._environ = environ
        self._log = database.with_suffix(".log")
        self.port = 0

    def __enter__(self) -> ServerProcess:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "error",
                    "-c",
                    "from ionmesh.cli import main; main()",
                    *self._arguments,
                ],
                env=os.environ | self._environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        match = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line)
        assert match, f"{line!r}\n{self.log}"
        self.port = int(match[1])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(DEADLINE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._process.wait(DEADLINE_S)

    def stop(self, number: int = signal.SIGTERM, within_s: float = 2) -> int:
        """Ask it to end and return its exit status; the promise is two seconds."""
        self._process.send_signal(number)
        return self._process.wait(within_s)

    def request(
        self, method: str, path: str, body: Any = None, key: str = "", **headers: str
    ) -> tuple[int, Any]:
        """Send one request over a connection of its own, as the C client does. Raises OSError."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, headers | ({"X-API-Key": key} if key else {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()
