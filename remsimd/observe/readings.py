"""Which values are recorded: pure, from the snapshots to a number for each metric and subject."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from remsimd.observe.families import quality
from remsimd.observe.measured import LinkMeasures, Measures
from remsimd.state import LinkState, ModemState, State


@dataclass(frozen=True, slots=True)
class Key:
    """A recorded series: a metric of METRICS and the modem or link it belongs to."""

    metric: str
    subject: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Readings of one span of time."""

    low: float
    high: float
    total: float
    count: int
    last: float

    def plus(self, value: float) -> "Aggregate":
        """The aggregate with one later reading."""
        return Aggregate(
            min(self.low, value), max(self.high, value), self.total + value, self.count + 1, value
        )


def of_one(value: float) -> Aggregate:
    """The aggregate of a single reading."""
    return Aggregate(value, value, value, 1, value)


_MODEM: dict[str, tuple[str, Callable[[ModemState], float | None]]] = {
    "rssi": ("dBm", lambda m: m.signal.rssi_dbm if m.signal else None),
    "rsrp": ("dBm", lambda m: m.signal.rsrp_dbm if m.signal else None),
    "rsrq": ("dB", lambda m: m.signal.rsrq_db if m.signal else None),
    "sinr": ("dB", lambda m: m.signal.sinr_db if m.signal else None),
    "nr_rsrp": ("dBm", lambda m: m.signal.nr_rsrp_dbm if m.signal else None),
    "nr_sinr": ("dB", lambda m: m.signal.nr_sinr_db if m.signal else None),
    "quality": ("ratio", lambda m: quality(m.signal) if m.signal else None),
    "temperature": ("celsius", lambda m: max((t.celsius for t in m.temperatures), default=None)),
    "connected": ("bool", lambda m: float(m.registration is not None and m.registration.state.registered)),
}
_LINK: dict[str, tuple[str, Callable[[State, LinkState], float | None]]] = {
    "active": ("bool", lambda state, link: float(state.active_link == link.name)),
}
_MEASURED: dict[str, tuple[str, Callable[[LinkMeasures], float | None]]] = {
    "latency": ("ms", lambda m: None if m.rtt_s is None else m.rtt_s * 1000),
    "loss": ("ratio", lambda m: m.loss),
    "rx_rate": ("bytes/s", lambda m: m.rx_rate),
    "tx_rate": ("bytes/s", lambda m: m.tx_rate),
}
METRICS = {name: unit for table in (_MODEM, _LINK, _MEASURED) for name, (unit, _) in table.items()}
"""Every recorded metric with its unit."""


def readings(state: State, measures: Measures) -> Iterator[tuple[Key, float]]:
    """What is known now; unknown values are left out."""
    for modem in state.modems.values():
        for name, (_, of_modem) in _MODEM.items():
            value = of_modem(modem)
            if value is not None:
                yield Key(name, modem.name), value
    for link in state.links.values():
        for name, (_, of_link) in _LINK.items():
            value = of_link(state, link)
            if value is not None:
                yield Key(name, link.name), value
        measured = measures.links.get(link.name, LinkMeasures())
        for name, (_, of_measured) in _MEASURED.items():
            value = of_measured(measured)
            if value is not None:
                yield Key(name, link.name), value
