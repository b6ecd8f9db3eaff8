"""The pieces of an AT information line. Pure.

Every reader here treats a value the modem does not know ("", "-", "---") as None.
"""

import re

from modems.errors import ParseError

# "+GTDUALSIM : 0" and "+COPS:0,2" are both in the field: blanks around the colon mean nothing.
_NAMED = re.compile(r"([+^!*$%#]?[A-Z][A-Z0-9_]*)\s*:\s*(.*)", re.DOTALL)
_FIELD = re.compile(r'\s*("[^"]*"?|[^,]*)[^,]*(?:,|$)')
_NOTHING = frozenset({"", "-", "--", "---"})


def split_name(line: str) -> tuple[str, str] | None:
    """Return (name, rest) of `+NAME: rest`, or None when the line has no such head."""
    match = _NAMED.fullmatch(line)
    return (match[1], match[2]) if match else None


def named(line: str, *names: str) -> str | None:
    """Return what follows `NAME:` when the line's head is one of `names`, else None."""
    split = split_name(line)
    return split[1] if split and split[0] in names else None


def fields(text: str) -> tuple[str, ...]:
    """Return the comma-separated fields of `text`, blanks and quotes removed; commas in quotes stay."""
    found: list[str] = []
    position = 0
    while match := _FIELD.match(text, position):
        found.append(match[1].strip().strip('"').strip())
        position = match.end()
        if position == len(text):
            # A comma at the very end opens one more, empty field.
            if match[0].endswith(","):
                found.append("")
            break
    return tuple(found)


def field(values: tuple[str, ...], index: int) -> str | None:
    """Return field `index`, or None when it is missing, empty or a dash."""
    if index >= len(values) or values[index] in _NOTHING:
        return None
    return values[index]


def integer(
    values: tuple[str, ...],
    index: int,
    *,
    base: int = 10,
    low: int | None = None,
    high: int | None = None,
    unknown: frozenset[int] = frozenset(),
) -> int | None:
    """Return field `index` as a number, or None when it is unknown or outside `low`..`high`.

    `unknown` are the numbers by which modems say so. Raises ParseError when the field holds something
    that is not a number.
    """
    text = field(values, index)
    if text is None:
        return None
    try:
        number = int(text, base)
    except ValueError as error:
        raise ParseError("number", text[:40]) from error
    if (low is not None and number < low) or (high is not None and number > high) or number in unknown:
        return None
    return number


def stepped(values: tuple[str, ...], index: int, *, high: int, step: float, lowest: float) -> float | None:
    """Return the measurement that field `index`, 0..`high`, stands for; None outside of that.

    The field numbers intervals of `step` from `lowest` on (TS 36.133 9.1.4, 9.1.7); the lower edge is given.
    """
    number = integer(values, index, low=0, high=high)
    return None if number is None else lowest + step * number


def decimal(values: tuple[str, ...], index: int, *, low: float, high: float) -> float | None:
    """Return field `index` as a real number within `low`..`high`, or None; raises ParseError on text."""
    text = field(values, index)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError as error:
        raise ParseError("number", text[:40]) from error
    # NaN compares false with everything and so counts as unknown.
    return number if low <= number <= high else None


def plmn(mcc: str | None, mnc: str | None) -> str | None:
    """Return MCC and MNC as one string of 5 or 6 digits, or None when they are no network's.

    MNC keeps its leading zeros and so its length: 01 and 001 are different networks (TS 23.003 2.2).
    """
    if mcc is None or mnc is None:
        return None
    mcc, mnc = mcc.strip(), mnc.strip()
    if not (mcc.isascii() and mnc.isascii() and mcc.isdigit() and mnc.isdigit()):
        return None
    if len(mcc) != 3 or mcc == "000":
        return None
    joined = mcc + mnc.zfill(2)
    return joined if len(joined) in (5, 6) else None
