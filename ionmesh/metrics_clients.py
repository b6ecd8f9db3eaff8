"""A series for each client, at a path of its own: ten thousand clients are several megabytes a scrape.

Written by hand, as a client library is twenty times slower at this number of series.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any

from sqlalchemy import Row, select

from ionmesh.clock import Clock
from ionmesh.db import Database
from ionmesh.models import ClientState, ProfileStatus, ServiceProfile

# Several Prometheus servers that scrape at the same time cost one query.
_KEPT = timedelta(seconds=10)
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

_QUERY = (
    select(ServiceProfile.tenant_id, ServiceProfile.client_id, ClientState.stats, ClientState.last_heartbeat)
    .join(ServiceProfile.state)
    .where(ServiceProfile.status == ProfileStatus.ACTIVE)
    .order_by(ServiceProfile.tenant_id, ServiceProfile.client_id)
)


class ClientMetrics:
    """The exposition of all clients, made anew at most once in ten seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = Lock()
        self._made = b""
        self._until: datetime | None = None

    def exposition(self) -> bytes:
        """Return the series in the text format 0.0.4; what a client did not tell is absent."""
        with self._lock:
            now = self._clock()
            if self._until is None or now >= self._until:
                with self._database.read() as session:
                    rows = session.execute(_QUERY).all()
                self._made = "".join(_lines(rows)).encode()
                self._until = now + _KEPT
            return self._made


def _lines(rows: Sequence[Row[Any]]) -> Iterator[str]:
    labels = [
        f'{{client_id="{row.client_id.translate(_ESCAPES)}",tenant_id="{row.tenant_id}"}}' for row in rows
    ]
    ids = Counter(row.client_id for row in rows)
    # The documented family has no tenant: a name that two of them use would be one series twice.
    unique = [
        f'{{client_id="{row.client_id.translate(_ESCAPES)}"}}' if ids[row.client_id] == 1 else None
        for row in rows
    ]
    yield from _family(
        "ionmesh_client_uptime_seconds",
        "Uptime as the client tells it.",
        rows,
        labels,
        _stat("uptime_seconds"),
    )
    rssi = _stat("signal_rssi")
    yield from _family(
        "ionmesh_client_signal_rssi_dbm",
        "Deprecated, use ionmesh_client_rssi_dbm.",
        rows,
        unique,
        rssi,
    )
    yield from _family(
        "ionmesh_client_rssi_dbm", "Signal strength as the client tells it.", rows, labels, rssi
    )
    yield from _family(
        "ionmesh_client_last_heartbeat_timestamp_seconds",
        "When the client's last heartbeat came.",
        rows,
        labels,
        lambda row: None if row.last_heartbeat is None else row.last_heartbeat.timestamp(),
    )


def _stat(name: str) -> Callable[[Row[Any]], float | None]:
    def value(row: Row[Any]) -> float | None:
        told = (row.stats or {}).get(name)
        return float(told) if isinstance(told, int | float) and not isinstance(told, bool) else None

    return value


def _family(
    name: str,
    text: str,
    rows: Sequence[Row[Any]],
    labels: Sequence[str | None],
    value: Callable[[Row[Any]], float | None],
) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    for row, label in zip(rows, labels, strict=True):
        number = value(row)
        if number is not None and label is not None:
            yield f"{name}{label} {number!r}\n"
