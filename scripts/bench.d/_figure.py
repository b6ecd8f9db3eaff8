"""How a figure is printed."""

import json


def figure(name: str, value: float, unit: str, *, budget: float | None, peer: str | None = None) -> None:
    """Print one figure as a JSON line; `peer` says what another program needs for the same."""
    line: dict[str, object] = {"name": name, "value": round(value, 4), "unit": unit, "budget": budget}
    if peer is not None:
        line["peer"] = peer
    print(json.dumps(line), flush=True)
