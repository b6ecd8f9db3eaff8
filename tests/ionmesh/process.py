"""`ionmesh run`, `ionmesh web` and gunicorn as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

DEADLINE_S = 20
# As systemd starts it: the socket is descriptor 3, and these variables name the process.
_SERVE_GIVEN = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
sys.argv[1:] = ["web", "--processes", "2"]
from ionmesh.cli import main
main()
"""


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

    def stop(self, number: int = signal.SIGTERM, within_s: float = 10) -> int:
        """Ask it to end and return its exit status; the promise is two seconds."""
        ask_to_end(self._process.pid, number)
        return self._process.wait(within_s)

    def request(
        self, method: str, path: str, body: Any = None, key: str = "", **headers: str
    ) -> tuple[int, Any]:
        return request(self.port, method, path, body, key, **headers)


class WebProcess:
    """`ionmesh web` with two processes on a free loopback port; `log` is where it writes."""

    def __init__(self, url: str, log: Path, **environ: str) -> None:
        self._environ = os.environ | {"IONMESH_DATABASE": url} | environ
        self._log = log
        # Bound here, so that the port is known and clients queue until the workers are up.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])

    def command(self, fd: int) -> list[str]:
        """Return the command that serves the socket it inherits as `fd`."""
        return [sys.executable, "-c", _SERVE_GIVEN, str(fd)]

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(self._listener.fileno()),
                env=self._environ,
                pass_fds=[self._listener.fileno()],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._listener.close()

    def workers(self) -> list[int]:
        """Return the process ids of the workers there are now."""
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def request(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        return request(self.port, method, path, body, key)


class GunicornProcess(WebProcess):
    """The same by gunicorn."""

    def command(self, fd: int) -> list[str]:
        """See `WebProcess.command`."""
        return [
            *(sys.executable, "-m", "gunicorn", "-c", "python:ionmesh.gunicorn_settings"),
            *("--workers", "2", "--bind", f"fd://{fd}", "ionmesh.wsgi:app"),
        ]


def ask_to_end(pid: int, number: int = signal.SIGTERM) -> None:
    """Send a signal the way that is hardest to notice: the kernel hands it to a thread beside the main one.

    It may do so whenever that one happens to start a thread; asked with the thread's id, it does at once.
    """
    threads = {int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()} - {pid}
    # The oldest is there to stay.
    os.kill(min(threads), number)


def request(
    port: int, method: str, path: str, body: Any = None, key: str = "", **headers: str
) -> tuple[int, Any]:
    """Send one request over a connection of its own, as the C client does. Raises OSError."""
    connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, headers | ({"X-API-Key": key} if key else {}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
