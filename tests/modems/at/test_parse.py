"""TS 27.007 answers as modems print them."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.at import parse
from modems.at.fields import fields, plmn, split_name
from modems.at.parse import CellRegistration, FinalResult, Operator
from modems.errors import ParseError
from modems.facts import RegistrationState as R
from modems.facts import Signal, SimState, Technology


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("OK", FinalResult(True, None, "OK")),
        ("ERROR", FinalResult(False, None, "ERROR")),
        ("ABORTED", FinalResult(False, None, "ABORTED")),
        ("+CME ERROR: 10", FinalResult(False, 10, "SIM not inserted")),
        ("+CME ERROR: SIM failure", FinalResult(False, 13, "SIM failure")),
        ("+CME ERROR: phone failure", FinalResult(False, 0, "phone failure")),
        ("+CME ERROR: 0", FinalResult(False, 0, "phone failure")),
        ("+CME ERROR:14", FinalResult(False, 14, "SIM busy")),
        ("+CME ERROR: 9999", FinalResult(False, 9999, "CME error 9999")),
        ("+CME ERROR: the moon is wrong", FinalResult(False, None, "the moon is wrong")),
        ("+CMS ERROR: 500", FinalResult(False, 500, "CMS error 500")),
        ("NO CARRIER", None),
        ("CONNECT 150000000", None),
        ("OKAY", None),
        ("+CSQ: 20,99", None),
        ("", None),
    ],
)
def test_final_results(line: str, expected: FinalResult | None) -> None:
    assert parse.final_result(line) == expected


def test_data_results_end_only_a_command_that_dials() -> None:
    assert parse.final_result("CONNECT 150000000", dialling=True) == FinalResult(
        True, None, "CONNECT 150000000"
    )
    assert parse.final_result("NO CARRIER", dialling=True) == FinalResult(False, None, "NO CARRIER")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Answers to a query.
        ("+CEREG: 0,1", CellRegistration(R.HOME, None, None, None)),
        ('+CEREG: 2,1,"2D0D","1A2B303",7', CellRegistration(R.HOME, 0x2D0D, 0x1A2B303, Technology.LTE)),
        (
            '+CEREG: 2,5,"BE3","328261F",7,,,"00","00"',
            CellRegistration(R.ROAMING, 0xBE3, 0x328261F, Technology.LTE),
        ),
        ("+CEREG:2,2", CellRegistration(R.SEARCHING, None, None, None)),
        ("+CREG: 2,0", CellRegistration(R.UNREGISTERED, None, None, None)),
        ("+CEREG: 0,3", CellRegistration(R.DENIED, None, None, None)),
        ("+CEREG: 0,4", CellRegistration(R.UNKNOWN, None, None, None)),
        (
            '+C5GREG: 2,1,"00A1B2","0A1B2C3D4",11,2,"01"',
            CellRegistration(R.HOME, 0xA1B2, 0xA1B2C3D4, Technology.NR_SA),
        ),
        ('+CGREG: 2,1,"DC51","0000B919",2,"01"', CellRegistration(R.HOME, 0xDC51, 0xB919, Technology.WCDMA)),
        # Unsolicited.
        ("+CEREG: 2", CellRegistration(R.SEARCHING, None, None, None)),
        ("+CEREG: 0", CellRegistration(R.UNREGISTERED, None, None, None)),
        ('+CEREG: 1,"2D0D","1A2B303",7', CellRegistration(R.HOME, 0x2D0D, 0x1A2B303, Technology.LTE)),
        # SMS only and emergency only are no packet service.
        ("+CEREG: 2,6", CellRegistration(R.UNREGISTERED, None, None, None)),
        ("+CEREG: 2,8", CellRegistration(R.UNREGISTERED, None, None, None)),
        # Values that say "none".
        ('+CEREG: 2,2,"FFFF","FFFFFFFF",7', CellRegistration(R.SEARCHING, None, None, Technology.LTE)),
        ('+CEREG: 2,1,"","",13', CellRegistration(R.HOME, None, None, Technology.NR_NSA)),
    ],
)
def test_registration(line: str, expected: CellRegistration) -> None:
    assert parse.registration(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('+COPS:0,2,"26202",13', Operator(None, "26202", Technology.NR_NSA)),
        ('+COPS: 0,2,"20201",13', Operator(None, "20201", Technology.NR_NSA)),
        ('+COPS: 0,0,"I TIM",7', Operator("I TIM", None, Technology.LTE)),
        ('+COPS: 0,0,"Smith, Jones & Co",7', Operator("Smith, Jones & Co", None, Technology.LTE)),
        ('+COPS: 0,2,"310260"', Operator(None, "310260", None)),
        ("+COPS: 0", Operator(None, None, None)),
        ("+COPS: 2,0", Operator(None, None, None)),
    ],
)
def test_operator(line: str, expected: Operator) -> None:
    assert parse.operator(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CPIN: READY", SimState.READY),
        ("+CPIN:READY", SimState.READY),
        ("+CPIN: SIM PIN", SimState.PIN),
        ("+CPIN: SIM PUK", SimState.PUK),
        ("+CPIN: SIM PIN2", SimState.READY),
        ("+CPIN: NOT READY", SimState.ABSENT),
        ("+CPIN: EMPTY_EUICC", SimState.ABSENT),
        ("+CPIN: PH-NET PIN", SimState.FAILURE),
        ("+CPIN: WHATEVER", SimState.UNKNOWN),
    ],
)
def test_sim_state(line: str, expected: SimState) -> None:
    assert parse.sim_state(line) is expected


@pytest.mark.parametrize(
    ("line", "rssi_dbm"),
    [
        ("+CSQ: 31,99", -51),
        ("+CSQ: 9, 99", -95),
        ("+CSQ: 0,0", -113),
        ("+CSQ: 99,99", None),
        ("+CSQ: 18,4", -77),
    ],
)
def test_csq(line: str, rssi_dbm: float | None) -> None:
    assert parse.csq(line) == Signal(rssi_dbm=rssi_dbm)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+CESQ: 99,99,255,255,255,255,255,255,255", ()),
        ("+CESQ: 17,99,255,255,4,29,255,255,255", (Signal(Technology.LTE, rsrp_dbm=-112, rsrq_db=-18),)),
        (
            "+CESQ: 17,99,255,255,4,29,75,52,57",
            (
                Signal(Technology.LTE, rsrp_dbm=-112, rsrq_db=-18),
                Signal(Technology.NR_NSA, rsrp_dbm=-105, rsrq_db=-6, sinr_db=5),
            ),
        ),
        ("+CESQ: 99,99,255,255,22,64,255,255,255", (Signal(Technology.LTE, rsrp_dbm=-77, rsrq_db=-9),)),
        (
            "+CESQ: 99,99,255,255,255,255,75,52,57",
            (Signal(Technology.NR_SA, rsrp_dbm=-105, rsrq_db=-6, sinr_db=5),),
        ),
        ("+CESQ: 38,99,255,255,255,255", (Signal(Technology.GSM, rssi_dbm=-73),)),
        ("+CESQ: 99,99,255,255,200,220", ()),
    ],
)
def test_cesq(line: str, expected: tuple[Signal, ...]) -> None:
    assert parse.cesq(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "+QCCID: 89390100000000000179",
        "+CCID: 89390100000000000179",
        '+ICCID: "89390100000000000179"',
        "89390100000000000179",
        '"89390100000000000179"',
    ],
)
def test_iccid_of_twenty_digits(line: str) -> None:
    assert parse.iccid((line,)) == "89390100000000000179"


def test_iccid_of_nineteen_digits_is_padded_with_f() -> None:
    assert parse.iccid(("+QCCID: 8986011234567890123F",)) == "8986011234567890123"
    assert parse.iccid(("noise", "+CCID: 8986011234567890123f")) == "8986011234567890123"


def test_numbers_bare_quoted_and_named() -> None:
    assert parse.imei(('+CGSN: "354174400124199"',)) == "354174400124199"
    assert parse.imei(("867698041234567",)) == "867698041234567"
    assert parse.imsi(("222011234567890",)) == "222011234567890"
    assert parse.imsi(('+CIMI: "250011234567890"',)) == "250011234567890"


@pytest.mark.parametrize("parser", [parse.iccid, parse.imsi, parse.imei])
@pytest.mark.parametrize("lines", [(), ("",), ("OK",), ("+CIMI: ",), ("12345",), ("8" * 40,)])
def test_no_number_is_a_parse_error_that_does_not_show_the_text(
    parser: Callable[[tuple[str, ...]], str], lines: tuple[str, ...]
) -> None:
    with pytest.raises(ParseError) as caught:
        parser(lines)
    assert not any(line in str(caught.value) for line in lines if len(line) > 4)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("Quectel",), "Quectel"),
        (("+CGMM: EM7565",), "EM7565"),
        (('+CGMM: "FM350-GL"',), "FM350-GL"),
        (('+GMM: "L850 LTE Module","L850"',), "L850"),
        (("Sierra Wireless, Incorporated",), "Sierra Wireless, Incorporated"),
        (("+QIND: SMS DONE", "RM500Q-GL"), "RM500Q-GL"),
        (("Revision: 1.2",), "Revision: 1.2"),
        ((), None),
    ],
)
def test_identification_text(lines: tuple[str, ...], expected: str | None) -> None:
    assert parse.text(lines, "+CGMM") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("",)),
        ("1", ("1",)),
        ("1,", ("1", "")),
        (",", ("", "")),
        ('0, "SUB1", "L"', ("0", "SUB1", "L")),
        ('"a,b",c', ("a,b", "c")),
        ('"open', ("open",)),
        ("1,9,,,FFFFFFF", ("1", "9", "", "", "FFFFFFF")),
        ("2D0D,-93,-12,-67,15,-", ("2D0D", "-93", "-12", "-67", "15", "-")),
        ('"servingcell","NOCONN","LTE","FDD", 222,01', ("servingcell", "NOCONN", "LTE", "FDD", "222", "01")),
    ],
)
def test_fields(text: str, expected: tuple[str, ...]) -> None:
    assert fields(text) == expected


def test_a_name_may_have_blanks_around_its_colon() -> None:
    assert split_name('+GTDUALSIM : 0, "SUB1", "L"') == ("+GTDUALSIM", '0, "SUB1", "L"')
    assert split_name("+GTCCINFO: ") == ("+GTCCINFO", "")
    assert split_name("1,4,250,1,1234") is None


def test_mnc_keeps_its_zeros_and_a_missing_network_is_none() -> None:
    assert plmn("222", "01") == "22201"
    assert plmn(" 222", "001") == "222001"
    assert plmn("262", "2") == "26202"
    assert plmn("000", "000") is None
    assert plmn(None, "01") is None
    assert plmn("-", "-") is None


LINE_PARSERS: list[Callable[[str], object]] = [
    parse.registration,
    parse.operator,
    parse.sim_state,
    parse.csq,
    parse.cesq,
    parse.final_result,
    lambda line: parse.text((line,), "+CGMM"),
    lambda line: parse.iccid((line,)),
    lambda line: parse.imsi((line,)),
    lambda line: parse.imei((line,)),
]

heads = st.sampled_from(
    ["+CEREG", "+C5GREG", "+COPS", "+CPIN", "+CSQ", "+CESQ", "+CME ERROR", "+CIMI", "+QCCID", "noise"]
)
values = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.text(st.characters(codec="ascii"), max_size=12),
    st.text(max_size=4),
    st.sampled_from(["", "-", "255", "FFFF", '"', '"1', "nan", "inf", "1e9", "²", "1_0"]),
)


@pytest.mark.parametrize("parser", LINE_PARSERS)
@given(head=heads, body=st.lists(values, max_size=12))
def test_any_line_parses_or_is_a_parse_error(
    parser: Callable[[str], object], head: str, body: list[str]
) -> None:
    for line in (f"{head}: {','.join(body)}", f"{head}:{','.join(body)}", ",".join(body)):
        with contextlib.suppress(ParseError):
            parser(line)
