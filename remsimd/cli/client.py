"""The other end of the control socket, for short programs."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from remsimd.errors import ControlError

ANSWER_WITHIN_S = 30.0


class ControlClient:
    """One connection to a running remsimd. Raises `ControlError` with a text for a person."""

    def __init__(self, path: Path, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._path = path
        self._answer_within_s = answer_within_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._socket.settimeout(self._answer_within_s)
        try:
            self._socket.connect(str(self._path))
        except OSError as error:
            self._socket.close()
            raise ControlError(
                f"no remsimd answers at {self._path} ({error.strerror}); is it running? "
                "(/etc/init.d/remsimd status)"
            ) from error
        self._lines = self._socket.makefile("rb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, **params: Any) -> Any:
        """The result of one request."""
        request = {"id": 1, "method": method, "params": params}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = self._read()
        if "error" in answer:
            raise ControlError(answer["error"])
        return answer["result"]

    def follow(self, within_s: float | None = None) -> Iterator[dict[str, Any]]:
        """The timeline so far, then each new entry, until the daemon ends or `within_s` have passed."""
        end_s = None if within_s is None else time.monotonic() + within_s
        yield from self.call("events.follow")
        while line := self._line_before(end_s):
            yield json.loads(line)["entry"]

    def _line_before(self, end_s: float | None) -> bytes:
        """The next line, b"" at the end of the connection or of the time."""
        left_s = None if end_s is None else end_s - time.monotonic()
        if left_s is not None and left_s <= 0:
            return b""
        self._socket.settimeout(left_s)
        try:
            return self._lines.readline()
        except TimeoutError:
            return b""

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError as error:
            raise ControlError(f"remsimd did not answer within {self._answer_within_s:.0f} s") from error
        if not line:
            raise ControlError("remsimd ended while it was asked")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ControlError("remsimd answered something else than an object")
        return answer
