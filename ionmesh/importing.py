"""Reading slots from a CSV file, one slot a line under a heading that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ionmesh.errors import InvalidRequest
from ionmesh.models import SlotKind
from ionmesh.services.inventory import NewSlots

_NEEDED = {"bank_id", "slot_id"}
_KNOWN = _NEEDED | {"kind", "iccid", "imsi", "mcc_mnc", "carrier"}


def read_slots(path: Path) -> Iterator[NewSlots]:
    """Return the slots of a file. Raises InvalidRequest naming the line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest("bad_file", f"{path}: {error}") from error
    reader = csv.DictReader(text.splitlines(), strict=True)
    columns = set(reader.fieldnames or ())
    if not columns >= _NEEDED or not columns <= _KNOWN:
        raise InvalidRequest("bad_file", f"{path}: the first line must name columns of {sorted(_KNOWN)}")
    try:
        for row in reader:
            yield _slot(row)
    except (ValueError, TypeError, csv.Error) as error:
        raise InvalidRequest("bad_file", f"{path}, line {reader.line_num}: {error}") from error


def _slot(row: dict[str, str]) -> NewSlots:
    iccid, imsi = row.get("iccid"), row.get("imsi")
    return NewSlots(
        bank_id=int(row["bank_id"]),
        slot_ids=(int(row["slot_id"]),),
        kind=SlotKind(row.get("kind") or SlotKind.PHYSICAL),
        iccids=(iccid,) if iccid else (),
        imsis=(imsi,) if imsi else (),
        mcc_mnc=row.get("mcc_mnc") or None,
        carrier=row.get("carrier") or None,
    )
