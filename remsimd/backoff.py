"""Capped exponential delays with jitter, as a pure value."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt; immutable, `failed()` gives the next state.

    Delays in seconds. `jitter` is the share by which a delay may be shortened or lengthened,
    so that a fleet does not return in one moment.
    """

    first_s: float = 1.0
    cap_s: float = 60.0
    factor: float = 2.0
    jitter: float = 0.1
    failures: int = 0

    def delay_s(self, chance: float) -> float:
        """The wait after the failures so far; `chance` is a random number in 0..1."""
        if self.failures == 0:
            return 0.0
        # The exponent is capped: a float overflows after about a thousand failures.
        plain = min(self.first_s * self.factor ** min(self.failures - 1, 64), self.cap_s)
        return plain * (1.0 + self.jitter * (2.0 * chance - 1.0))

    def failed(self) -> "Backoff":
        """The state after one more failure."""
        return replace(self, failures=self.failures + 1)

    def succeeded(self) -> "Backoff":
        """The state after a success: as new."""
        return replace(self, failures=0)
