"""Two hours of trouble, many times over; `scripts/bench failover` plays ten thousand."""

import pytest

from remsimd.failover import machine, recovery
from simlab.histories import Violation, play_many

COUNT = 300


def test_no_history_breaks_a_promise() -> None:
    moves, actions = play_many(COUNT)
    # Histories in which nothing happens would prove nothing.
    assert moves > 2 * COUNT
    assert actions > 2 * COUNT


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (machine, "hold_left_s", lambda *_: 0.0),
        (recovery, "_is_busy", lambda *_: False),
    ],
)
def test_a_broken_promise_is_found(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, broken: object
) -> None:
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(Violation, match="seed"):
        play_many(100)
