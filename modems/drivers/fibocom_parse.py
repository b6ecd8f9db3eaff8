"""What Fibocom FM350-GL (MediaTek T700) and L850-GL (Intel XMM7360) answer to their own commands. Pure.

Sources disagree about the first step of the LTE indices: RSRP -141 or -140 dBm, RSRQ -20 or -19.5 dB. The
lower edge of TS 36.133 9.1.4 and 9.1.7 is used, except for +XCESQ, whose RSRQ is read as -19.5 everywhere.
"""

import re

from modems.at.fields import decimal, field, fields, integer, named, plmn, stepped
from modems.errors import ParseError
from modems.facts import LTE_BANDWIDTHS_MHZ, Cell, Signal, Technology, Temperature

_SERVING = "1"
_ROW = re.compile(r"[12],\d+,.*")
_UNKNOWN_TAC = frozenset({0xFFFE, 0xFFFF, 0xFFFFFF, 0xFFFFFFF})
_UNKNOWN_CELL = frozenset({0xFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFF})
_USB_MODES = {29: "mbim", 40: "rndis", 41: "rndis"}
_BAND_NAME = re.compile(r"BAND_LTE_(\d+)")

Leg = tuple[Cell, Signal]


def cell_info(lines: tuple[str, ...]) -> tuple[Leg, ...]:
    """Parse the serving rows of AT+GTCCINFO?: one leg a row, LTE before NR; neighbours are left out.

    A row is 1 (serving), RAT (2 WCDMA, 4 LTE, 9 NR), mcc, mnc, tac and cell id in hex, arfcn and pci in
    decimal, band, bandwidth, and the indices of SINR, RXLEV, RSRP and RSRQ. Fibocom's Qualcomm models
    print arfcn and pci in hex: this is the MediaTek layout.
    """
    legs: list[Leg] = []
    for line in lines:
        row = (named(line, "+GTCCINFO") or "").strip() if line.startswith("+") else line
        if not _ROW.fullmatch(row):
            continue
        values = fields(row)
        if values[0] == _SERVING and (leg := _serving_row(values)) is not None:
            legs.append(leg)
    return tuple(legs)


def _serving_row(values: tuple[str, ...]) -> Leg | None:
    rat = integer(values, 1)
    network = plmn(field(values, 2), field(values, 3))
    if rat == 4:
        technology, band = Technology.LTE, _lte_band(values)
        signal = Signal(
            technology,
            rsrp_dbm=stepped(values, 12, high=97, step=1.0, lowest=-141.0),
            rsrq_db=stepped(values, 13, high=34, step=0.5, lowest=-20.0),
            sinr_db=_half_db(values, 10),
        )
    elif rat == 9:
        # The NR row of a dual connectivity names no network of its own.
        technology = Technology.NR_SA if network else Technology.NR_NSA
        band = nr_band(field(values, 8))
        signal = Signal(
            technology,
            rsrp_dbm=stepped(values, 12, high=126, step=1.0, lowest=-157.0),
            rsrq_db=stepped(values, 13, high=126, step=0.5, lowest=-43.5),
            sinr_db=stepped(values, 10, high=127, step=0.5, lowest=-23.5),
        )
    elif rat == 2:
        technology, signal = Technology.WCDMA, Signal(Technology.WCDMA)
        number = integer(values, 8, low=1, high=32)
        band = None if number is None else f"B{number}"
    else:
        return None
    cell = Cell(
        technology,
        plmn=network,
        tac=integer(values, 4, base=16, low=0, unknown=_UNKNOWN_TAC),
        cell_id=integer(values, 5, base=16, low=0, unknown=_UNKNOWN_CELL),
        pci=None if rat == 2 else integer(values, 7, low=0, high=1007),
        arfcn=integer(values, 6, low=0),
        band=band,
        bandwidth_mhz=None if rat == 2 else _bandwidth_mhz(values, 9),
    )
    return cell, signal


def _lte_band(values: tuple[str, ...]) -> str | None:
    number = integer(values, 8, low=101, high=199)
    return None if number is None else f"B{number - 100}"


def nr_band(text: str | None) -> str | None:
    """Return the band of 50 followed by its number: 5078, 505 and 5005 are n78, n5 and n5."""
    if text is None or not re.fullmatch(r"50\d{1,3}", text) or int(text[2:]) == 0:
        return None
    return f"n{int(text[2:])}"


def _bandwidth_mhz(values: tuple[str, ...], index: int) -> float | None:
    """Resource blocks, by which five to a MHz is meant except in the narrowest channel."""
    code = integer(values, index, low=1, high=2000)
    if code is None or code == 255:
        return None
    return 1.4 if code == 6 else code / 5


def extended_signal(line: str) -> Signal | None:
    """Parse `+XCESQ: <n>,<rxlev>,<ber>,<rscp>,<ecno>,<rsrq>,<rsrp>,<snr>`; None when LTE is not measured."""
    rest = named(line, "+XCESQ")
    if rest is None:
        raise ParseError("extended signal quality", line)
    values = fields(rest)
    signal = Signal(
        Technology.LTE,
        rsrq_db=stepped(values, 5, high=34, step=0.5, lowest=-19.5),
        rsrp_dbm=stepped(values, 6, high=97, step=1.0, lowest=-141.0),
        sinr_db=_half_db(values, 7),
    )
    return signal if signal.measured else None


def measured_cell(lines: tuple[str, ...], band_line: str | None) -> Cell | None:
    """Parse the LTE serving cell (type 4) of AT+XMCI=1, whose band AT+XLEC? tells; None when there is none.

    Fields: type, mcc, mnc, tac, cell id, pci, dl earfcn, ul earfcn, then measurements; 0xFF... is unknown.
    """
    for line in lines:
        rest = named(line, "+XMCI")
        if rest is None:
            raise ParseError("measured cell", line)
        values = fields(rest)
        if values[0] != "4":
            continue
        band, bandwidth_mhz = (None, None) if band_line is None else _band(band_line)
        return Cell(
            Technology.LTE,
            plmn=plmn(field(values, 1), field(values, 2)),
            tac=integer(values, 3, base=16, low=0, unknown=_UNKNOWN_TAC),
            cell_id=integer(values, 4, base=16, low=0, unknown=_UNKNOWN_CELL),
            pci=integer(values, 5, base=16, low=0, high=503),
            arfcn=integer(values, 6, base=16, low=0, unknown=_UNKNOWN_CELL),
            band=band,
            bandwidth_mhz=bandwidth_mhz,
        )
    return None


def measured_signal(lines: tuple[str, ...]) -> Signal | None:
    """Return the RSRP and RSRQ of AT+XMCI=1's LTE serving cell; None when there are none.

    Its RSSNR is left out: public readings of its unit contradict each other (halves and quarters of a dB).
    """
    for line in lines:
        values = fields(named(line, "+XMCI") or "")
        if values[0] != "4":
            continue
        signal = Signal(
            Technology.LTE,
            rsrp_dbm=stepped(values, 9, high=97, step=1.0, lowest=-141.0),
            rsrq_db=stepped(values, 10, high=34, step=0.5, lowest=-20.0),
        )
        return signal if signal.measured else None
    return None


def _band(line: str) -> tuple[str | None, float | None]:
    """Read `+XLEC: <n>,<cells>,<bandwidth>[,...],BAND_LTE_<band>`, the primary cell's bandwidth first."""
    values = fields(named(line, "+XLEC") or "")
    match = _BAND_NAME.fullmatch(values[-1])
    code = integer(values, 2, low=0, high=5) if match else None
    return f"B{match[1]}" if match else None, None if code is None else LTE_BANDWIDTHS_MHZ[code]


def temperature(line: str) -> tuple[Temperature, ...]:
    """Parse `+GTSENRDTEMP: <sensor>,<milli degrees>` or `+MTSM: <degrees>`; 0 is a sensor not fitted."""
    if (rest := named(line, "+GTSENRDTEMP")) is not None:
        values = fields(rest)
        milli_celsius = decimal(values, 1, low=-50_000, high=150_000)
        if not milli_celsius:
            return ()
        return (Temperature(f"sensor {field(values, 0)}", milli_celsius / 1000),)
    if (rest := named(line, "+MTSM")) is not None:
        celsius = decimal(fields(rest), 0, low=-50, high=150)
        return () if celsius is None else (Temperature("modem", celsius),)
    raise ParseError("temperature", line)


def sim_slot(line: str) -> int:
    """Parse `+GTDUALSIM : 0, "SUB1", "L"`: the active slot, here from 1."""
    rest = named(line, "+GTDUALSIM")
    slot = None if rest is None else integer(fields(rest), 0, low=0, high=1)
    if slot is None:
        raise ParseError("SIM slot", line)
    return slot + 1


def usb_mode(line: str) -> str:
    """Parse `+GTUSBMODE: <mode>`; a mode nobody has a name for comes back as "mode <number>"."""
    values = fields(named(line, "+GTUSBMODE") or "")
    mode = integer(values, 0, low=0)
    if mode is None:
        raise ParseError("USB mode", line)
    return _USB_MODES.get(mode, f"mode {mode}")


def _half_db(values: tuple[str, ...], index: int) -> float | None:
    number = integer(values, index, low=-100, high=100)
    return None if number is None else number / 2
