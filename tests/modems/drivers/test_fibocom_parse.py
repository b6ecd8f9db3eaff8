"""Fibocom's own answers, verbatim."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.drivers import fibocom_parse
from modems.errors import ParseError
from modems.facts import Cell, Signal, Technology, Temperature

T = Technology

CELL_INFO = [
    pytest.param(
        ("+GTCCINFO:", "1,4,250,1,1234,000123456,1802,470,103,100,-4,39,39,7"),
        (
            (
                Cell(T.LTE, "25001", 0x1234, 0x123456, 470, 1802, "B3", 20.0),
                Signal(T.LTE, rsrp_dbm=-102, rsrq_db=-16.5, sinr_db=-2),
            ),
        ),
        id="lte",
    ),
    pytest.param(
        (
            "+GTCCINFO: ",
            "1,4,250,1,1234,001234567,1721,223,103,50,6,62,62,18",
            "1,9,,,FFFFFFF,00FFFFFFF,723322,143,5079,500,13,68,68,80",
        ),
        (
            (
                Cell(T.LTE, "25001", 0x1234, 0x1234567, 223, 1721, "B3", 10.0),
                Signal(T.LTE, rsrp_dbm=-79, rsrq_db=-11, sinr_db=3),
            ),
            (
                Cell(T.NR_NSA, pci=143, arfcn=723322, band="n79", bandwidth_mhz=100.0),
                Signal(T.NR_NSA, rsrp_dbm=-89, rsrq_db=-3.5, sinr_db=-17),
            ),
        ),
        id="nsa",
    ),
    pytest.param(
        ("1,9,250,01,001234,001234567,723322,143,505,500,60,68,68,66",),
        (
            (
                Cell(T.NR_SA, "25001", 0x1234, 0x1234567, 143, 723322, "n5", 100.0),
                Signal(T.NR_SA, rsrp_dbm=-89, rsrq_db=-10.5, sinr_db=6.5),
            ),
        ),
        id="sa",
    ),
    pytest.param(
        ("1,4,262,2,1A2B,0012345AB,100,42,,,-7,29,29,4",),
        (
            (
                Cell(T.LTE, "26202", 0x1A2B, 0x12345AB, 42, 100),
                Signal(T.LTE, rsrp_dbm=-112, rsrq_db=-18, sinr_db=-3.5),
            ),
        ),
        id="older firmware, no band",
    ),
    pytest.param(
        ("1,2,250,1,1234,001234567,2987,92,8,22,40,,40,,",),
        ((Cell(T.WCDMA, "25001", 0x1234, 0x1234567, arfcn=2987, band="B8"), Signal(T.WCDMA)),),
        id="umts",
    ),
    pytest.param(("+GTCCINFO: ",), (), id="no service"),
    pytest.param((), (), id="bare ok"),
    pytest.param(("2,4,,,FFFF,00FFFFFFF,1721,224,,40,60,12",), (), id="a neighbour alone"),
    pytest.param(
        ("1,4,250,1,1234,000123456,1802,470,103,100,-400,255,999,77",),
        ((Cell(T.LTE, "25001", 0x1234, 0x123456, 470, 1802, "B3", 20.0), Signal(T.LTE)),),
        id="indices outside their tables",
    ),
]


@pytest.mark.parametrize(("lines", "expected"), CELL_INFO)
def test_cell_info(lines: tuple[str, ...], expected: tuple[fibocom_parse.Leg, ...]) -> None:
    assert fibocom_parse.cell_info(lines) == expected


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("5079", "n79"),
        ("501", "n1"),
        ("505", "n5"),
        ("5005", "n5"),
        ("50257", "n257"),
        ("103", None),
        (None, None),
    ],
)
def test_nr_band(text: str | None, band: str | None) -> None:
    assert fibocom_parse.nr_band(text) == band


def test_extended_signal_of_intel() -> None:
    assert fibocom_parse.extended_signal("+XCESQ: 0,99,99,255,255,10,34,16") == Signal(
        T.LTE, rsrp_dbm=-107, rsrq_db=-14.5, sinr_db=8
    )
    assert fibocom_parse.extended_signal("+XCESQ: 0,99,99,255,255,255,255,255") is None


XMCI_SERVING = (
    '+XMCI: 4,510,11,"0x7D08","0x04E23C06","0x0071","0x0000052D","0x00004B7D","0xFFFFFFFF",59,19,14,'
    '"0x00000000","0x00000000"'
)
XMCI_NEIGHBOUR = (
    '+XMCI: 5,000,000,"0xFFFE","0xFFFFFFFF","0x0071","0x00000EBE","0xFFFFFFFF","0xFFFFFFFF",55,8,255,'
    '"0x7FFFFFFF","0x00000000"'
)


def test_measured_cell_of_intel() -> None:
    cell = Cell(T.LTE, "51011", 0x7D08, 0x04E23C06, 113, 1325, "B3", 20.0)
    lines = (XMCI_NEIGHBOUR, XMCI_SERVING)
    assert fibocom_parse.measured_cell(lines, "+XLEC: 0,2,5,3,BAND_LTE_3") == cell
    assert fibocom_parse.measured_cell((XMCI_NEIGHBOUR,), None) is None
    unbanded = fibocom_parse.measured_cell(lines, None)
    assert unbanded is not None
    assert unbanded.band is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("+GTSENRDTEMP: 1,37628", (Temperature("sensor 1", 37.628),)),
        ("+GTSENRDTEMP: 10,46066", (Temperature("sensor 10", 46.066),)),
        ("+GTSENRDTEMP: 7,0", ()),
        ("+MTSM: 29", (Temperature("modem", 29),)),
        ("+MTSM: ", ()),
    ],
)
def test_temperature(line: str, expected: tuple[Temperature, ...]) -> None:
    assert fibocom_parse.temperature(line) == expected


@pytest.mark.parametrize(
    ("line", "slot"),
    [
        ('+GTDUALSIM : 0, "SUB1", "L"', 1),
        ('+GTDUALSIM: 0,"SUB1","No Service"', 1),
        ('+GTDUALSIM : 1, "SUB2", "N"', 2),
    ],
)
def test_sim_slot(line: str, slot: int) -> None:
    assert fibocom_parse.sim_slot(line) == slot


PARSERS: list[Callable[[str], object]] = [
    lambda line: fibocom_parse.cell_info((line,)),
    lambda line: fibocom_parse.measured_cell((line,), line),
    lambda line: fibocom_parse.measured_cell((XMCI_SERVING,), line),
    fibocom_parse.extended_signal,
    fibocom_parse.temperature,
    fibocom_parse.sim_slot,
]
heads = st.sampled_from(
    ["1,4,250,1,", "1,9,", "+GTCCINFO: 1,4,", "+XMCI: 4,", "+XCESQ: 0,", "+XLEC: ", "+MTSM: ", ""]
)
bodies = st.lists(
    st.one_of(
        st.integers(-1000, 10**10).map(str), st.text(max_size=6), st.sampled_from(["", "255", '"0xFF"'])
    ),
    max_size=16,
).map(",".join)


@pytest.mark.parametrize("parser", PARSERS)
@given(head=heads, body=bodies)
def test_any_line_parses_or_is_a_parse_error(parser: Callable[[str], object], head: str, body: str) -> None:
    with contextlib.suppress(ParseError):
        parser(head + body)
