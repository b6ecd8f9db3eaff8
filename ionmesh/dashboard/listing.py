"""A table's place in its list: page, order, filters, and the links that change one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import request, url_for

PER_PAGE = 50
_PAGE_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Listing:
    """What is shown of `total` rows. `filters` are the parameters that are neither page nor order."""

    total: int = 0
    page: int = 1
    per_page: int = PER_PAGE
    sort: str = ""
    descending: bool = False
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def offset(self) -> int:
        """Rows before the page."""
        return (self.page - 1) * self.per_page

    @property
    def first(self) -> int:
        """Number of the page's first row, from 1; 0: there is none."""
        return min(self.offset + 1, self.total)

    @property
    def last(self) -> int:
        """Number of the page's last row."""
        return min(self.offset + self.per_page, self.total)

    @property
    def previous(self) -> str | None:
        """URL of the page before."""
        return self._url(page=self.page - 1) if self.page > 1 else None

    @property
    def next(self) -> str | None:
        """URL of the page after."""
        return self._url(page=self.page + 1) if self.last < self.total else None

    def sorted_by(self, column: str) -> str:
        """Return the URL of the same rows by that column, the other way round if they are already."""
        descending = self.sort == column and not self.descending
        return self._url(page=1, sort=column, descending=descending)

    def _url(self, *, page: int, sort: str | None = None, descending: bool | None = None) -> str:
        values: dict[str, Any] = dict(self.filters)
        order = self.sort if sort is None else sort
        if order:
            values["sort"] = order
        if self.descending if descending is None else descending:
            values["order"] = "desc"
        if page > 1:
            values["page"] = str(page)
        return url_for(request.endpoint or "", **(request.view_args or {}), **values)


def requested(filters: Mapping[str, str], sorts: tuple[str, ...] = ()) -> Listing:
    """Return the listing the query string asks for; what makes no sense counts as not given."""
    sort = request.args.get("sort", "")
    return Listing(
        page=number("page", 1, _PAGE_MAX) or 1,
        sort=sort if sort in sorts else (sorts[0] if sorts else ""),
        descending=request.args.get("order") == "desc",
        filters=filters,
    )


def number(name: str, lowest: int, highest: int) -> int | None:
    """Return a parameter of the query string as a whole number within bounds, else None."""
    text = request.args.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(highest))):
        return None
    return int(text) if lowest <= int(text) <= highest else None
