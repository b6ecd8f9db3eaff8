"""What a network device has sent and received, and what that says without sending a probe."""

from dataclasses import dataclass, replace
from pathlib import Path

SYS_CLASS_NET = Path("/sys/class/net")

SILENT_S = 1.0
"""Sending for so long without receiving anything is suspicious."""

PAYLOAD_BYTES = 1500
"""Less than this says nothing: neighbour discovery, router advertisements, DHCP renewals and
knocking from outside arrive on a link behind which nothing works."""

FLOWING_BYTES = 200
"""Sending less between two readings is no traffic worth watching closely: probes and keepalives."""

SAMPLE_S = 0.25
"""How often counters are read while something moves."""

CALM_SAMPLE_S = 1.0
"""How often they are read otherwise: so late at most is it noticed that something began to move."""

RESTLESS_S = 10.0
"""How long after the last traffic sent the counters are still read that often."""

EXCUSE_S = 30.0
"""After a silence that a round disproved, further silences are believed only after this time: a
stream that expects no answer would raise one every second."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Bytes since the device was made."""

    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the readings so far say; times in seconds of one steady clock.

    `received_s`: when the last payload was seen to have arrived; `silent_since_s`: since when
    something was sent and nothing arrived; `flowing_s`: when more than probes was last seen to be
    sent.
    """

    last: Reading
    read_s: float
    received_s: float | None = None
    silent_since_s: float | None = None
    flowing_s: float | None = None
    excused_until_s: float = 0.0

    def silent(self, now: float) -> bool:
        """Sending without receiving for a second, and no round has lately shown that to be normal."""
        since = self.silent_since_s
        return since is not None and now - since >= SILENT_S and now >= self.excused_until_s

    def restless(self, now: float) -> bool:
        """Something is moving, so that a silence would be noticed by reading often."""
        flowing = self.flowing_s is not None and now - self.flowing_s < RESTLESS_S
        return flowing or self.silent_since_s is not None

    def excused(self, now: float) -> "Traffic":
        """The state after a round found answers right after a silence."""
        return replace(self, excused_until_s=now + EXCUSE_S, silent_since_s=None)


def watch(traffic: Traffic, reading: Reading, now: float) -> Traffic:
    """The state after one more reading; counters that ran backwards belong to a new device."""
    received = reading.rx_bytes - traffic.last.rx_bytes
    sent = reading.tx_bytes - traffic.last.tx_bytes
    if received < 0 or sent < 0:
        return Traffic(reading, now)
    silent_since = traffic.silent_since_s
    if received > 0:
        silent_since = None
    elif sent > 0 and silent_since is None:
        # It was sent at some moment since the last reading; a long pause is not held against it.
        silent_since = max(traffic.read_s, now - SAMPLE_S)
    return replace(
        traffic,
        last=reading,
        read_s=now,
        silent_since_s=silent_since,
        received_s=now if received >= PAYLOAD_BYTES else traffic.received_s,
        flowing_s=now if sent >= FLOWING_BYTES else traffic.flowing_s,
    )


def read(device: str) -> Reading | None:
    """The device's counters now; None when there is no such device."""
    folder = SYS_CLASS_NET / device / "statistics"
    try:
        rx, tx = (int((folder / name).read_text()) for name in ("rx_bytes", "tx_bytes"))
    except (OSError, ValueError):
        return None
    return Reading(rx, tx)
