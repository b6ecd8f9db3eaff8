"""What Quectel modems answer to their own commands, as facts. Pure.

Layouts as RM500Q, RM502Q (5G), EC25, EG25 (LTE) and BG96 (LTE-M, NB-IoT) print them; UNISOC based models
(RM500U) differ where it is said.
"""

from modems.at.fields import decimal, field, fields, integer, named, plmn
from modems.errors import ParseError
from modems.facts import LTE_BANDWIDTHS_MHZ, Cell, Serving, Signal, Technology, Temperature

_NR_BANDWIDTHS_MHZ = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 200, 400)

_LTE_LIKE = {
    "LTE": Technology.LTE,
    "CAT-M": Technology.LTE_M,
    "CAT-M1": Technology.LTE_M,
    "EMTC": Technology.LTE_M,
    "CAT-NB": Technology.NB_IOT,
    "CAT-NB1": Technology.NB_IOT,
    "NBIOT": Technology.NB_IOT,
}

_USB_MODES = {0: "qmi", 1: "ecm", 2: "mbim", 3: "rndis", 5: "ncm"}

_NO_PCI = 65535  # in a leg that is configured but not measured
_SA_FIELDS_UNISOC = 17  # RM500U prints three more fields than Qualcomm models, and its bandwidth in MHz


def serving_cell(lines: tuple[str, ...]) -> Serving:
    """Parse the line, or in NSA the lines, of AT+QENG="servingcell"; empty while no cell is found.

    In limited service (LIMSRV) it names the cell camped on, which serves nobody: the registration tells.
    """
    state = ""
    legs: list[tuple[Cell, Signal] | None] = []
    for line in lines:
        rest = named(line, "+QENG")
        if rest is None:
            raise ParseError("serving cell", line)
        values = fields(rest)
        if values[0] == "servingcell":
            state = (field(values, 1) or "").upper()
            values = values[2:]
        if values and values[0]:
            legs.append(_leg(values, line))
    if not state:
        raise ParseError("serving cell", " / ".join(lines))
    found = [leg for leg in legs if leg is not None]
    return Serving(
        cells=tuple(cell for cell, _ in found),
        signals=tuple(signal for _, signal in found if signal.measured),
    )


def _leg(values: tuple[str, ...], line: str) -> tuple[Cell, Signal] | None:
    technology = values[0].upper()
    if technology in _LTE_LIKE:
        return _lte_leg(_LTE_LIKE[technology], values)
    if technology == "NR5G-NSA":
        return _nsa_leg(values)
    if technology == "NR5G-SA":
        return _sa_leg(values)
    if technology == "WCDMA":
        return _wcdma_leg(values)
    if technology == "GSM":
        return _gsm_leg(values)
    raise ParseError("serving cell", line)


def _lte_leg(technology: Technology, values: tuple[str, ...]) -> tuple[Cell, Signal]:
    """Name, duplex, mcc, mnc, cell id, pci, earfcn, band, ul and dl bandwidth, tac, rsrp, rsrq, rssi, sinr.

    What follows (cqi, power, level) differs between firmwares and is not read. SINR is in dB here; the
    0..250 scale belongs to AT+QCSQ.
    """
    band = integer(values, 7, low=1)
    cell = Cell(
        technology,
        plmn=plmn(field(values, 2), field(values, 3)),
        cell_id=integer(values, 4, base=16, low=0),
        pci=integer(values, 5, low=0, high=503),
        arfcn=integer(values, 6, low=0),
        band=None if band is None else f"B{band}",
        bandwidth_mhz=_coded(values, 9, LTE_BANDWIDTHS_MHZ),
        tac=integer(values, 10, base=16, low=0),
    )
    signal = Signal(
        technology,
        rsrp_dbm=_rsrp(values, 11),
        rsrq_db=_rsrq(values, 12),
        rssi_dbm=decimal(values, 13, low=-125, high=0),
        sinr_db=_sinr(values, 14),
    )
    return cell, signal


def _nsa_leg(values: tuple[str, ...]) -> tuple[Cell, Signal] | None:
    """Name, mcc, mnc, pci, rsrp, sinr, rsrq, then from some firmware on arfcn, band, bandwidth, scs."""
    pci = integer(values, 3)
    if pci is None or pci == _NO_PCI:
        return None
    cell = Cell(
        Technology.NR_NSA,
        plmn=plmn(field(values, 1), field(values, 2)),
        pci=integer(values, 3, low=0, high=1007),
        arfcn=integer(values, 7, low=0),
        band=_nr_band(values, 8),
        bandwidth_mhz=_coded(values, 9, _NR_BANDWIDTHS_MHZ),
    )
    signal = Signal(
        Technology.NR_NSA,
        rsrp_dbm=_rsrp(values, 4),
        sinr_db=_sinr(values, 5),
        rsrq_db=_rsrq(values, 6),
    )
    return cell, signal


def _sa_leg(values: tuple[str, ...]) -> tuple[Cell, Signal]:
    """Name, duplex, mcc, mnc, cell id, pci, tac, arfcn, band, bandwidth, rsrp, rsrq, sinr, scs, level."""
    if len(values) >= _SA_FIELDS_UNISOC:
        bandwidth_mhz = decimal(values, 9, low=5, high=400)
    else:
        bandwidth_mhz = _coded(values, 9, _NR_BANDWIDTHS_MHZ)
    cell = Cell(
        Technology.NR_SA,
        plmn=plmn(field(values, 2), field(values, 3)),
        cell_id=integer(values, 4, base=16, low=0),
        pci=integer(values, 5, low=0, high=1007),
        tac=integer(values, 6, base=16, low=0),
        arfcn=integer(values, 7, low=0),
        band=_nr_band(values, 8),
        bandwidth_mhz=bandwidth_mhz,
    )
    signal = Signal(
        Technology.NR_SA,
        rsrp_dbm=_rsrp(values, 10),
        rsrq_db=_rsrq(values, 11),
        sinr_db=_sinr(values, 12),
    )
    return cell, signal


def _wcdma_leg(values: tuple[str, ...]) -> tuple[Cell, Signal]:
    """Name, mcc, mnc, lac, cell id, uarfcn, psc; RSCP and Ec/Io, which follow, are no RSRP and RSRQ."""
    return _older_cell(Technology.WCDMA, values, arfcn_at=5), Signal(Technology.WCDMA)


def _gsm_leg(values: tuple[str, ...]) -> tuple[Cell, Signal]:
    """Name, mcc, mnc, lac, cell id, bsic, arfcn, band, level in dBm."""
    signal = Signal(Technology.GSM, rssi_dbm=decimal(values, 8, low=-125, high=0))
    return _older_cell(Technology.GSM, values, arfcn_at=6), signal


def _older_cell(technology: Technology, values: tuple[str, ...], *, arfcn_at: int) -> Cell:
    return Cell(
        technology,
        plmn=plmn(field(values, 1), field(values, 2)),
        tac=integer(values, 3, base=16, low=0),
        cell_id=integer(values, 4, base=16, low=0),
        arfcn=integer(values, arfcn_at, low=0),
    )


def signal_quality(line: str) -> Signal | None:
    """Parse AT+QCSQ; None when the modem has no service.

    LTE and its kin: mode, rssi, rsrp, SINR as 0..250 (a fifth of a dB, from -20 dB), rsrq. 5G models print
    rsrq before a SINR in dB: a negative third value, which the 0..250 scale cannot have, tells them apart.
    """
    rest = named(line, "+QCSQ")
    if rest is None:
        raise ParseError("signal quality", line)
    values = fields(rest)
    mode = values[0].upper()
    if mode == "GSM":
        return Signal(Technology.GSM, rssi_dbm=decimal(values, 1, low=-125, high=0))
    if mode == "WCDMA":
        return Signal(Technology.WCDMA, rssi_dbm=decimal(values, 1, low=-125, high=0))
    technology = {**_LTE_LIKE, "NR5G-NSA": Technology.NR_NSA}.get(mode)
    if technology is None:
        # NOSERVICE, and 5G standalone: its columns are nowhere described alike.
        return None
    third = decimal(values, 3, low=-50, high=250)
    scaled = third is not None and third >= 0
    return Signal(
        technology,
        rssi_dbm=decimal(values, 1, low=-125, high=0),
        rsrp_dbm=_rsrp(values, 2),
        sinr_db=third / 5 - 20 if third is not None and scaled else _sinr(values, 4),
        rsrq_db=_rsrq(values, 4) if scaled else _rsrq(values, 3),
    )


def temperatures(lines: tuple[str, ...]) -> tuple[Temperature, ...]:
    """Parse AT+QTEMP: a line a sensor (5G models), or one line for PMIC, crystal and power amplifier.

    A sensor that is not fitted reads -273 or 255 and is left out.
    """
    found: list[Temperature] = []
    for line in lines:
        rest = named(line, "+QTEMP")
        if rest is None:
            raise ParseError("temperature", line)
        values = fields(rest)
        if len(values) == 2 and not values[0].lstrip("-").isdigit():
            readings = {values[0]: decimal(values, 1, low=-50, high=150)}
        else:
            names = ("pmic", "xo", "pa") if len(values) > 1 else ("modem",)
            readings = {name: decimal(values, at, low=-50, high=150) for at, name in enumerate(names)}
        found.extend(Temperature(name, celsius) for name, celsius in readings.items() if celsius is not None)
    return tuple(found)


def sim_slot(line: str) -> int:
    """Parse AT+QUIMSLOT?, whose answer some firmware names +QUSIMSLOT, or AT+QDSIM?: the active slot, from 1.

    +QDSIM counts from 0; only one public source shows it.
    """
    if (rest := named(line, "+QDSIM")) is not None:
        slot = integer(fields(rest), 0, low=0, high=1)
        slot = None if slot is None else slot + 1
    else:
        slot = integer(fields(named(line, "+QUIMSLOT", "+QUSIMSLOT") or ""), 0, low=1, high=2)
    if slot is None:
        raise ParseError("SIM slot", line)
    return slot


def usb_mode(line: str) -> str:
    """Parse `+QCFG: "usbnet",<mode>`; a mode nobody has a name for comes back as "mode <number>"."""
    values = fields(named(line, "+QCFG") or "")
    mode = integer(values, 1, low=0) if values[:1] == ("usbnet",) else None
    if mode is None:
        raise ParseError("USB mode", line)
    return _USB_MODES.get(mode, f"mode {mode}")


def _coded(values: tuple[str, ...], index: int, table: tuple[float, ...]) -> float | None:
    code = integer(values, index, low=0, high=len(table) - 1)
    return None if code is None else float(table[code])


def _nr_band(values: tuple[str, ...], index: int) -> str | None:
    band = integer(values, index, low=1)
    return None if band is None else f"n{band}"


def _rsrp(values: tuple[str, ...], index: int) -> float | None:
    return decimal(values, index, low=-157, high=-20)


def _rsrq(values: tuple[str, ...], index: int) -> float | None:
    return decimal(values, index, low=-44, high=20)


def _sinr(values: tuple[str, ...], index: int) -> float | None:
    return decimal(values, index, low=-30, high=50)
