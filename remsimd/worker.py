"""A thread for blocking calls that can be left behind."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from remsimd.errors import RemsimError

T = TypeVar("T")


class Worker(Generic[T]):
    """Makes one blocking call at a time for the event loop that asked.

    It is a daemon thread and not one of an executor, because the interpreter waits for those.
    `on_stop` runs in the thread when it ends.
    """

    def __init__(self, name: str, on_stop: Callable[[], None]) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._on_stop = on_stop
        self._thread = threading.Thread(name=name, target=self._serve, daemon=True)
        self.busy = False

    @property
    def alive(self) -> bool:
        """Whether the thread has not ended yet."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def run(self, call: Callable[[], T]) -> T:
        """What `call` returns or the `RemsimError` it raises; `busy` stays set when cancelled."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def deliver(result: T | RemsimError) -> None:
            self.busy = False
            if outcome.done():
                return
            if isinstance(result, RemsimError):
                outcome.set_exception(result)
            else:
                outcome.set_result(result)

        def job() -> None:
            result: T | RemsimError = RemsimError("the calling thread failed")
            try:
                result = call()
            except RemsimError as error:
                result = error
            finally:
                # The loop is closed when the daemon ended while this call was left behind.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(deliver, result)

        self.busy = True
        self._jobs.put(job)
        return await outcome

    def stop(self) -> None:
        """Let the thread end after the call in hand; does not wait for it."""
        self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._on_stop()
