"""What ends a server: a signal, or one of its threads that died."""

from __future__ import annotations

import os
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """Made in the main thread before it starts others, which inherit that the signals are held back.

    Python runs handlers in the main thread but does not wake it when the kernel hands the signal to another
    one, which it may do while that one starts a thread. Held back in all, a signal stays for `wait`.
    """

    def __init__(self) -> None:
        self._died = False
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def on_death(self) -> None:
        """End the process with a failure, because the thread that calls cannot go on."""
        self._died = True
        os.kill(os.getpid(), signal.SIGTERM)

    def wait(self) -> None:
        """Return once the process has to end."""
        signal.sigwait(_SIGNALS)

    @property
    def status(self) -> int:
        """The exit status: 0, or 1 when a thread died."""
        return int(self._died)
