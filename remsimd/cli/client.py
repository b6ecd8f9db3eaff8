"""The other end of the control socket, for short programs."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from remsimd.errors import ControlError

ANSWER_WITHIN_S = 30.0


class ControlClient:
    """One connection to a running remsimd. Raises `ControlError` with a text for a person."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def __enter__(self) -> Self:
        self._socket.settimeout(ANSWER_WITHIN_S)
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

    def follow(self) -> Iterator[dict[str, Any]]:
        """The timeline so far, then each new entry as it happens, until the daemon ends."""
        yield from self.call("events.follow")
        self._socket.settimeout(None)
        while line := self._lines.readline():
            yield json.loads(line)["entry"]

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except TimeoutError as error:
            raise ControlError(f"remsimd did not answer within {ANSWER_WITHIN_S:.0f} s") from error
        if not line:
            raise ControlError("remsimd ended while it was asked")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ControlError("remsimd answered something else than an object")
        return answer
