"""How a figure is printed."""

import json


def figure(name: str, value: float, unit: str, *, budget: float | None, peer: str | None = None) -> None:
    """Print one figure as a JSON line, and whether its budget is met, where it has one.

    A budget is the most that is allowed; of a rate ("commands/s", "per s") it is the least that is wanted.
    `peer` says what another program needs for the same.
    """
    line: dict[str, object] = {"name": name, "value": round(value, 4), "unit": unit, "budget": budget}
    if budget is not None:
        line["met"] = value >= budget if is_rate(unit) else value <= budget
    if peer is not None:
        line["peer"] = peer
    print(json.dumps(line), flush=True)


def is_rate(unit: str) -> bool:
    """Whether more is better."""
    return unit.endswith(("/s", "per s"))
