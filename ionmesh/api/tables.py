"""Tables as files to download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from flask import Response

# Rows fetched at once: a table is as long as a fleet is large.
_PAGE = 500
# Spreadsheet programs take cells that begin so for formulas.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Row = Mapping[str, Any]


def whole(page: Callable[[int, int], tuple[Sequence[Row], int]]) -> Iterator[Row]:
    """Return all rows of a table; `page` takes an offset and a limit, and returns rows and their total."""
    offset, total = 0, 1
    while offset < total:
        rows, total = page(offset, _PAGE)
        yield from rows
        offset += _PAGE


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
