"""The periods in which a data plan counts. Pure."""

from datetime import date, timedelta


def period_start(day: date, reset_day: int) -> date:
    """The day on which the period that `day` is in began; `reset_day` is 1..28."""
    if day.day >= reset_day:
        return day.replace(day=reset_day)
    last_of_previous_month = day.replace(day=1) - timedelta(days=1)
    return last_of_previous_month.replace(day=reset_day)
