"""A plan's period begins on its reset day, in every month."""

from datetime import date

import pytest

from remsimd.dataplan import period_start


@pytest.mark.parametrize(
    ("day", "reset_day", "start"),
    [
        (date(2026, 3, 5), 1, date(2026, 3, 1)),
        (date(2026, 3, 5), 5, date(2026, 3, 5)),
        (date(2026, 3, 5), 6, date(2026, 2, 6)),
        (date(2026, 1, 1), 28, date(2025, 12, 28)),
    ],
)
def test_plan_periods(day: date, reset_day: int, start: date) -> None:
    assert period_start(day, reset_day) == start
