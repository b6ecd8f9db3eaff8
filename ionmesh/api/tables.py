"""Tables as files to download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Response

# Spreadsheet programs take cells that begin so for formulas.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


def as_json(rows: Iterable[Row], name: str) -> Response:
    """Return the rows as a JSON list."""
    text = json.dumps(list(rows), separators=(",", ":"))
    return _attachment(text, "application/json", f"{name}.json")


def as_csv(rows: Iterable[Row], name: str) -> Response:
    """Return the rows as CSV; the first one names the columns."""
    listed = list(rows)
    text = io.StringIO()
    writer = csv.writer(text)
    if listed:
        writer.writerow(listed[0])
        writer.writerows([_cell(value) for value in row.values()] for row in listed)
    return _attachment(text.getvalue(), "text/csv", f"{name}.csv")


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, dict):
        value = json.dumps(value, separators=(",", ":"))
    return "'" + value if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _attachment(text: str, media: str, name: str) -> Response:
    return Response(text, mimetype=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
