"""An event loop whose clock jumps to the next timer as soon as nothing else can run.

For code whose only waits are timers and in-memory futures: an hour passes in milliseconds
and always in the same order. Real sockets do not make the clock wait for them.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Never blocks: instead of waiting for `timeout` it moves the loop's clock by it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: every task waits and no timer is set")
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, starting at 0.0 s."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run `coro` to its end in virtual time; a deadlock raises RuntimeError."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coro)
