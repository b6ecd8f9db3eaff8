"""What many look at, asked for once: figures of a tenant's fleet are the same for all who are shown them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value")

# What clients report without an event changes little.
_KEPT_S = 10.0
_KEPT_THOUGH_SOMETHING_HAPPENED_S = 1.0


@dataclass(frozen=True, slots=True)
class _Kept(Generic[Value]):
    at_s: float
    newest: int
    """Number of the latest event then."""
    value: Value


class Shared(Generic[Value]):
    """A value of each tenant's, found out anew a second after an event at the latest, else every ten."""

    def __init__(self, find_out: Callable[[int], Value]) -> None:
        self._find_out = find_out
        self._lock = threading.Lock()
        self._known: dict[int, _Kept[Value]] = {}

    def of(self, tenant_id: int, newest: int) -> Value:
        """Return the value; `newest` is the number of the tenant's latest event. Raises as `find_out`."""
        # Held while it is found out, so that all who wait get the one answer.
        with self._lock:
            known = self._known.get(tenant_id)
            now_s = time.monotonic()
            if known is not None and now_s < known.at_s + _life_s(known.newest == newest):
                return known.value
            value = self._find_out(tenant_id)
            self._known[tenant_id] = _Kept(now_s, newest, value)
            return value


def _life_s(nothing_happened: bool) -> float:
    return _KEPT_S if nothing_happened else _KEPT_THOUGH_SOMETHING_HAPPENED_S
