"""Answers and unsolicited lines of TS 27.007 as values. Pure: text in, facts out, or ParseError."""

import re
from dataclasses import dataclass

from modems.at.cme import CME_NAMES, cme_number
from modems.at.fields import field, fields, integer, named, split_name, stepped
from modems.errors import ParseError
from modems.facts import RegistrationState, Signal, SimState, Technology

# What a modem sends by itself, the standardised part; a driver adds its vendor's. A line is one of them when
# the whole line, or what stands before its colon, is in the set.
URC_NAMES: frozenset[str] = frozenset(
    {
        *("+CREG", "+CGREG", "+CEREG", "+C5GREG", "+CGEV", "+CSCON", "+CNEM"),
        *("+CPIN", "+CUSD", "+CMTI", "+CMT", "+CDS", "+CDSI", "+CBM"),
        *("+CTZV", "+CTZE", "+CTZU", "+CIEV", "+CLIP", "+CRING", "+CRC", "+CSSI", "+CSSU"),
        *("RING", "RDY", "APP RDY", "SMS DONE", "PB DONE", "NORMAL POWER DOWN", "POWERED DOWN"),
    }
)

_STATES = {
    0: RegistrationState.UNREGISTERED,
    1: RegistrationState.HOME,
    2: RegistrationState.SEARCHING,
    3: RegistrationState.DENIED,
    4: RegistrationState.UNKNOWN,
    5: RegistrationState.ROAMING,
    # SMS only (6, 7), emergency only (8, 11): no packet service, so not registered in the sense used here.
    6: RegistrationState.UNREGISTERED,
    7: RegistrationState.UNREGISTERED,
    8: RegistrationState.UNREGISTERED,
    9: RegistrationState.HOME,
    10: RegistrationState.ROAMING,
    11: RegistrationState.UNREGISTERED,
}

_TECHNOLOGIES = {
    0: Technology.GSM,
    1: Technology.GSM,
    2: Technology.WCDMA,
    3: Technology.GSM,
    4: Technology.WCDMA,
    5: Technology.WCDMA,
    6: Technology.WCDMA,
    7: Technology.LTE,
    9: Technology.NB_IOT,
    10: Technology.LTE,
    11: Technology.NR_SA,
    12: Technology.NR_SA,
    13: Technology.NR_NSA,
}

_PIN_STATES = {
    "READY": SimState.READY,
    "SIM PIN": SimState.PIN,
    "SIM PUK": SimState.PUK,
    # PIN2 guards phone book features only; packet service works without it.
    "SIM PIN2": SimState.READY,
    "SIM PUK2": SimState.READY,
    "NOT READY": SimState.ABSENT,
    "NOT INSERTED": SimState.ABSENT,
    "EMPTY_EUICC": SimState.ABSENT,
}

_CME_SIM_STATES = {
    10: SimState.ABSENT,
    11: SimState.PIN,
    12: SimState.PUK,
    13: SimState.FAILURE,
    14: SimState.BUSY,
    15: SimState.FAILURE,
    17: SimState.READY,
    18: SimState.READY,
}

_UNKNOWN_TAC = frozenset({0xFFFE, 0xFFFF, 0xFFFFFE, 0xFFFFFF})
_UNKNOWN_CELL = frozenset({0xFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFF})

_DATA_RESULTS = re.compile(r"CONNECT.*|NO CARRIER|BUSY|NO ANSWER|NO DIALTONE|NO DIAL TONE")
_ERROR = re.compile(r"\+(CM[ES]) ERROR\s*:\s*(.*)")
_QUERY_FORM = re.compile(r"\d\s*,\s*\d{1,2}\s*(?:,.*)?")
_NUMBER = re.compile(r'(?:[+^!]?\w+\s*:\s*)?"?\s*([0-9A-Fa-f]+)\s*"?')


@dataclass(frozen=True, slots=True)
class FinalResult:
    """The line that ends an answer; `code` is the +CME/+CMS number when the modem gave or named one."""

    ok: bool
    code: int | None
    text: str


@dataclass(frozen=True, slots=True)
class CellRegistration:
    """A +CREG, +CGREG, +CEREG or +C5GREG line; `tac` and `cell_id` are sent only at mode 2 and above."""

    state: RegistrationState
    tac: int | None
    cell_id: int | None
    technology: Technology | None


@dataclass(frozen=True, slots=True)
class Operator:
    """A +COPS? answer: a name or a PLMN, as AT+COPS=3 chose; both None when the modem has no network."""

    name: str | None
    plmn: str | None
    technology: Technology | None


def final_result(line: str, *, dialling: bool = False) -> FinalResult | None:
    """Return the final result (V.250 5.7.1, TS 27.007 9.1) that `line` is, or None.

    CONNECT, NO CARRIER and their like end only a command that dials: at any other time they are news.
    """
    if line == "OK":
        return FinalResult(True, None, "OK")
    if line in {"ERROR", "ABORTED", "COMMAND NOT SUPPORT"}:
        return FinalResult(False, None, line)
    if match := _ERROR.fullmatch(line):
        return _error_result(match[1], match[2].strip())
    if dialling and _DATA_RESULTS.fullmatch(line):
        return FinalResult(line.startswith("CONNECT"), None, line)
    return None


def _error_result(kind: str, detail: str) -> FinalResult:
    if detail.isascii() and detail.isdigit():
        code = int(detail[:6])
        name = CME_NAMES.get(code) if kind == "CME" else None
        return FinalResult(False, code, name or f"{kind} error {code}")
    return FinalResult(False, cme_number(detail) if kind == "CME" else None, detail or f"{kind} error")


def technology_of(act: int | None) -> Technology | None:
    """Return the technology of an <AcT> value (TS 27.007 7.3)."""
    return None if act is None else _TECHNOLOGIES.get(act)


def registration(line: str) -> CellRegistration:
    """Parse +CREG, +CGREG, +CEREG, +C5GREG (TS 27.007 7.2, 10.1.20, 10.1.22, 10.1.47).

    Both forms: `+CEREG: <n>,<stat>[,...]` answers a query, `+CEREG: <stat>[,...]` is unsolicited.
    """
    rest = named(line, "+CREG", "+CGREG", "+CEREG", "+C5GREG")
    if rest is None:
        raise ParseError("registration", line)
    values = fields(rest)
    if _QUERY_FORM.fullmatch(rest):
        values = values[1:]
    state = integer(values, 0)
    if state is None:
        raise ParseError("registration", line)
    # +CGREG carries a routing area code after the technology, +C5GREG an NSSAI length: both come later.
    return CellRegistration(
        state=_STATES.get(state, RegistrationState.UNKNOWN),
        tac=integer(values, 1, base=16, low=0, unknown=_UNKNOWN_TAC),
        cell_id=integer(values, 2, base=16, low=0, unknown=_UNKNOWN_CELL),
        technology=technology_of(integer(values, 3)),
    )


def operator(line: str) -> Operator:
    """Parse `+COPS: <mode>[,<format>,<oper>[,<AcT>]]` (TS 27.007 7.3); format 2 is a PLMN, else a name."""
    rest = named(line, "+COPS")
    if rest is None:
        raise ParseError("operator", line)
    values = fields(rest)
    if integer(values, 0) is None:
        raise ParseError("operator", line)
    text = field(values, 2)
    numeric = integer(values, 1) == 2
    if numeric and text is not None and not (text.isascii() and text.isdigit() and len(text) in (5, 6)):
        raise ParseError("operator", line)
    return Operator(
        name=None if numeric else text,
        plmn=text if numeric else None,
        technology=technology_of(integer(values, 3)),
    )


def sim_state(line: str) -> SimState:
    """Parse `+CPIN: <code>` (TS 27.007 8.3); a personalisation lock (PH-...) makes the card unusable."""
    rest = named(line, "+CPIN")
    if rest is None:
        raise ParseError("SIM state", line)
    code = rest.strip('" ').upper()
    if code.startswith("PH-"):
        return SimState.FAILURE
    return _PIN_STATES.get(code, SimState.UNKNOWN)


def sim_state_of_error(code: int | None) -> SimState | None:
    """Return the SIM state that a +CME ERROR number tells of, or None when it tells of something else."""
    return None if code is None else _CME_SIM_STATES.get(code)


def csq(line: str) -> Signal:
    """Parse `+CSQ: <rssi>,<ber>` (TS 27.007 8.5): 0..31 is -113..-51 dBm, everything else unknown."""
    rest = named(line, "+CSQ")
    if rest is None:
        raise ParseError("signal quality", line)
    level = integer(fields(rest), 0, low=0, high=31)
    return Signal(rssi_dbm=None if level is None else -113.0 + 2 * level)


def cesq(line: str) -> tuple[Signal, ...]:
    """Parse +CESQ (TS 27.007 8.69) of 6 or 9 fields: one Signal a measured technology, LTE before NR.

    An index names an interval; the value given is its lower edge. Both LTE and NR are filled in dual
    connectivity. An empty result means that nothing is measured; that a value is there does not mean
    that the modem is registered.
    """
    rest = named(line, "+CESQ")
    if rest is None:
        raise ParseError("extended signal quality", line)
    values = fields(rest)
    if len(values) < 6:
        raise ParseError("extended signal quality", line)
    rxlev = integer(values, 0, low=0, high=63)
    lte = Signal(
        Technology.LTE,
        rsrp_dbm=stepped(values, 5, high=97, step=1.0, lowest=-141.0),
        rsrq_db=stepped(values, 4, high=34, step=0.5, lowest=-20.0),
    )
    nr = Signal(
        Technology.NR_NSA if lte.measured else Technology.NR_SA,
        rsrp_dbm=stepped(values, 7, high=126, step=1.0, lowest=-157.0),
        rsrq_db=stepped(values, 6, high=126, step=0.5, lowest=-43.5),
        sinr_db=stepped(values, 8, high=127, step=0.5, lowest=-23.5),
    )
    gsm = Signal(Technology.GSM, rssi_dbm=None if rxlev is None else rxlev - 111.0)
    # LTE modems copy their RSSI into rxlev, so it speaks of GSM only when nothing newer is measured.
    newer = tuple(signal for signal in (lte, nr) if signal.measured)
    return newer or ((gsm,) if gsm.measured else ())


def iccid(lines: tuple[str, ...]) -> str:
    """Return the ICCID (ITU-T E.118) of a +CCID, +ICCID, +QCCID or bare answer, padding F removed."""
    for line in lines:
        match = _NUMBER.fullmatch(line)
        number = match[1].upper().rstrip("F") if match else ""
        if number.isdigit() and 18 <= len(number) <= 20:
            return number
    raise ParseError("ICCID", f"{len(lines)} lines without 18 to 20 digits")


def imsi(lines: tuple[str, ...]) -> str:
    """Return the IMSI (TS 23.003 2.2) of a +CIMI answer: 6 to 15 digits, bare, quoted or after a name."""
    return _digits("IMSI", lines, shortest=6, longest=15)


def imei(lines: tuple[str, ...]) -> str:
    """Return the IMEI (TS 23.003 6.2) of a +CGSN answer: 14 to 16 digits, bare, quoted or after a name."""
    return _digits("IMEI", lines, shortest=14, longest=16)


def _digits(what: str, lines: tuple[str, ...], *, shortest: int, longest: int) -> str:
    # The refused text is not put into the error: it may well be the number in another shape.
    for line in lines:
        match = _NUMBER.fullmatch(line)
        if match and match[1].isdigit() and shortest <= len(match[1]) <= longest:
            return match[1]
    raise ParseError(what, f"{len(lines)} lines without {shortest} to {longest} digits")


def text(lines: tuple[str, ...], name: str) -> str | None:
    """Return what the answer to an identification command (`name` is +CGMI, +CGMM or +CGMR) says.

    That is the first line which is not a URC of a maker not known yet, without name and quotes. Of several
    values (`+GMM: "L850 LTE Module","L850"`) the last is the short one.
    """
    for line in lines:
        value = line
        if line.startswith("+") and (split := split_name(line)) is not None:
            if split[0] not in {name, name.replace("+C", "+", 1)}:
                continue
            value = split[1]
        found = [each for each in fields(value) if each] if value.startswith('"') else [value.strip()]
        if found and found[-1]:
            return found[-1]
    return None
