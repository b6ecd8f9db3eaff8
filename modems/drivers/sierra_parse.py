"""What Sierra Wireless modems answer to AT!GSTATUS? and its family. Pure."""

import re
from collections.abc import Mapping

from modems.at.fields import decimal, fields, integer, named
from modems.errors import ParseError
from modems.facts import Cell, Signal, Technology, Temperature

_ABSENT = re.compile(r"-*")
_HEX = re.compile(r"(?:0x)?([0-9A-Fa-f]+)\b.*")
_BITMASK = re.compile(r"bitmask:?\s*(?:0x)?([0-9A-Fa-f]{1,8})", re.IGNORECASE)
_REAL = re.compile(r"(-?\d+(?:\.\d+)?)\b.*")


def status(lines: tuple[str, ...]) -> dict[str, str]:
    """Return the `key: value` pairs of AT!GSTATUS?, one or two a line with tabs between them.

    A value of dashes is one the modem does not have, and is left out. Of a key that comes twice the first
    stays: it is the primary carrier's.
    """
    pairs: dict[str, str] = {}
    for line in lines:
        for piece in re.split(r"\t+", line):
            key, colon, value = piece.partition(":")
            key, value = " ".join(key.split()), value.strip()
            if colon and key and not _ABSENT.fullmatch(value):
                pairs.setdefault(key, value)
    return pairs


def cells(pairs: Mapping[str, str]) -> tuple[Cell, ...]:
    """Return the serving cells of a status, LTE before NR; it tells neither the network nor the PCI."""
    found: list[Cell] = []
    if "LTE band" in pairs:
        found.append(
            Cell(
                Technology.LTE,
                tac=_hexadecimal(pairs, "TAC"),
                cell_id=_hexadecimal(pairs, "Cell ID"),
                arfcn=_whole(pairs, "LTE Rx chan"),
                band=pairs["LTE band"],
                bandwidth_mhz=_number(pairs, "LTE bw"),
            )
        )
    if "NR5G band" in pairs:
        found.append(
            Cell(
                Technology.NR_SA,
                tac=_hexadecimal(pairs, "NR5G TAC"),
                cell_id=_hexadecimal(pairs, "NR5G Cell ID"),
                arfcn=_whole(pairs, "NR5G Rx chan"),
                band=pairs["NR5G band"],
                bandwidth_mhz=_number(pairs, "NR5G dl bw"),
            )
        )
    elif (band := _first(pairs, r"SCC\d+ NR5G band")) is not None:
        found.append(Cell(Technology.NR_NSA, band=band))
    return tuple(found)


def signals(pairs: Mapping[str, str]) -> tuple[Signal, ...]:
    """Return the measurements of a status, LTE before NR."""
    lte = Signal(
        Technology.LTE,
        rssi_dbm=_number_like(pairs, r"PCC RxM\d? RSSI"),
        rsrp_dbm=_number_like(pairs, r"RSRP \(dBm\)|PCC RxM\d? RSRP"),
        rsrq_db=_number_like(pairs, r"RSRQ \(dB\)"),
        sinr_db=_number_like(pairs, r"SINR \(dB\)"),
    )
    nr = Signal(
        Technology.NR_SA if "NR5G band" in pairs else Technology.NR_NSA,
        rssi_dbm=_number_like(pairs, r"NR5G(?:\(.*\))? Rx0 RSSI.*"),
        rsrp_dbm=_number_like(pairs, r"NR5G.* RSRP.*"),
        rsrq_db=_number_like(pairs, r"NR5G.* RSRQ.*"),
        sinr_db=_number_like(pairs, r"NR5G.* SINR.*"),
    )
    wcdma = Signal(Technology.WCDMA, rssi_dbm=_number(pairs, "RX level (dBm)"))
    return tuple(signal for signal in (lte, nr, wcdma) if signal.measured)


def temperature(pairs: Mapping[str, str]) -> tuple[Temperature, ...]:
    """Return the temperature of AT!PCTEMP? or AT!GSTATUS?; with the radio off its value may be garbled."""
    value = _number(pairs, "Temperature")
    return (Temperature("modem", value),) if value is not None and -50 <= value <= 150 else ()


def lte_pci(lines: tuple[str, ...]) -> int | None:
    """Return the PCI of the first row of AT!LTEINFO?, a table under EARFCN MCC MNC TAC ... PCI ... RXLV."""
    columns: list[str] = []
    for line in lines:
        words = line.split()
        if "EARFCN" in words:
            if "PCI" in columns:
                return None
            columns = words[words.index("EARFCN") :]
        elif len(words) == len(columns) and "PCI" in columns:
            return integer((words[columns.index("PCI")],), 0, low=0, high=503)
    return None


def nr_pci(lines: tuple[str, ...]) -> int | None:
    """Return the first number of AT!NRPCI?; no capture of it is public, so any text around it is accepted."""
    numbers = [int(number) for line in lines for number in re.findall(r"(?<![\w.])\d{1,4}(?![\w.])", line)]
    return next((number for number in numbers if number <= 1007), None)


def usb_mode(lines: tuple[str, ...]) -> str:
    """Return what the interface bitmask of AT!USBCOMP? has for data: MBIM is 0x1000, rmnet (QMI) 0x100."""
    for line in lines:
        if match := _BITMASK.search(line):
            mask = int(match[1], 16)
            return "mbim" if mask & 0x1000 else "qmi" if mask & 0x100 else f"mode {mask:#x}"
    raise ParseError("USB mode", f"{len(lines)} lines without an interface bitmask")


def sim_slot(line: str) -> int:
    """Parse `!UIMS: <uim>[,<used>]`, slot here from 1; 3 is automatic, and then <used> is the slot."""
    rest = named(line, "!UIMS")
    if rest is None:
        raise ParseError("SIM slot", line)
    values = fields(rest)
    slot = integer(values, 1 if integer(values, 0) == 3 else 0, low=0, high=1)
    if slot is None:
        raise ParseError("SIM slot", line)
    return slot + 1


def _first(pairs: Mapping[str, str], pattern: str) -> str | None:
    return next((value for key, value in pairs.items() if re.fullmatch(pattern, key)), None)


def _number_like(pairs: Mapping[str, str], pattern: str) -> float | None:
    value = _first(pairs, pattern)
    match = _REAL.fullmatch(value) if value is not None else None
    return decimal((match[1],), 0, low=-200, high=200) if match else None


def _number(pairs: Mapping[str, str], key: str) -> float | None:
    return _number_like(pairs, re.escape(key))


def _whole(pairs: Mapping[str, str], key: str) -> int | None:
    match = _REAL.fullmatch(pairs.get(key, ""))
    return int(float(match[1])) if match and float(match[1]) >= 0 else None


def _hexadecimal(pairs: Mapping[str, str], key: str) -> int | None:
    """`0A14666A (169106666)`: hex, then the same in decimal."""
    match = _HEX.fullmatch(pairs.get(key, ""))
    return int(match[1], 16) if match else None
