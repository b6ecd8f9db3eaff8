"""Quectel's own answers, verbatim."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.drivers import quectel_parse
from modems.errors import ParseError
from modems.facts import Cell, Serving, Signal, Technology, Temperature

T = Technology

SERVING_CELLS = [
    pytest.param(
        (
            '+QENG: "servingcell","NOCONN","LTE","FDD",222,01,4940206,427,1350,3,5,5,BFF,-93,-11,-61,11,7,50,-',  # noqa: E501 - verbatim
        ),
        Serving(
            (Cell(T.LTE, "22201", 0xBFF, 0x4940206, 427, 1350, "B3", 20.0),),
            (Signal(T.LTE, rssi_dbm=-61, rsrp_dbm=-93, rsrq_db=-11, sinr_db=11),),
        ),
        id="lte",
    ),
    pytest.param(
        ('+QENG: "servingcell","NOCONN","LTE","FDD",222,01,1A2B303,187,1350,3,5,5,2D0D,-93,-12,-67,15,-',),
        Serving(
            (Cell(T.LTE, "22201", 0x2D0D, 0x1A2B303, 187, 1350, "B3", 20.0),),
            (Signal(T.LTE, rssi_dbm=-67, rsrp_dbm=-93, rsrq_db=-12, sinr_db=15),),
        ),
        id="lte, short tail (EC25)",
    ),
    pytest.param(
        ('+QENG: "servingcell","CONNECT","LTE","FDD",222,01,1A2B303,187,1350,3,3,3,2D0D,-100,-17,-62,-1,23',),
        Serving(
            (Cell(T.LTE, "22201", 0x2D0D, 0x1A2B303, 187, 1350, "B3", 10.0),),
            (Signal(T.LTE, rssi_dbm=-62, rsrp_dbm=-100, rsrq_db=-17, sinr_db=-1),),
        ),
        id="lte, negative SINR (EC25)",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","NOCONN"',
            '+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-',
            '+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1',
        ),
        Serving(
            (
                Cell(T.LTE, "22201", 0xBE3, 0x328261F, 280, 275, "B1", 15.0),
                Cell(T.NR_NSA, "22201", pci=920, arfcn=648768, band="n78", bandwidth_mhz=80.0),
            ),
            (
                Signal(T.LTE, rssi_dbm=-66, rsrp_dbm=-99, rsrq_db=-14, sinr_db=7),
                Signal(T.NR_NSA, rsrp_dbm=-96, rsrq_db=-10, sinr_db=18),
            ),
        ),
        id="nsa",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","CONNECT"',
            '+QENG: "LTE","FDD",460,00,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-',
            '+QENG: "NR5G-NSA",460,00,65535,-32768,-32768,-32768',
        ),
        Serving(
            (Cell(T.LTE, "46000", 0xBE3, 0x328261F, 280, 275, "B1", 15.0),),
            (Signal(T.LTE, rssi_dbm=-66, rsrp_dbm=-99, rsrq_db=-14, sinr_db=7),),
        ),
        id="nsa, NR not measured",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","CONNECT"',
            '+QENG: "LTE","FDD",460,00,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-',
            '+QENG:"NR5G-NSA",460,00,702,-92,10,-7',
        ),
        Serving(
            (Cell(T.LTE, "46000", 0xBE3, 0x328261F, 280, 275, "B1", 15.0), Cell(T.NR_NSA, "46000", pci=702)),
            (
                Signal(T.LTE, rssi_dbm=-66, rsrp_dbm=-99, rsrq_db=-14, sinr_db=7),
                Signal(T.NR_NSA, rsrp_dbm=-92, rsrq_db=-7, sinr_db=10),
            ),
        ),
        id="nsa, no blank after the colon, short tail",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","NOCONN","NR5G-SA","TDD", 460,11,1A2B3C4D5,702,2A1B,633984,78,12,-92,-7,10,1,-',  # noqa: E501 - verbatim
        ),
        Serving(
            (Cell(T.NR_SA, "46011", 0x2A1B, 0x1A2B3C4D5, 702, 633984, "n78", 100.0),),
            (Signal(T.NR_SA, rsrp_dbm=-92, rsrq_db=-7, sinr_db=10),),
        ),
        id="sa, padded mcc",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","NOCONN","NR5G-SA","TDD",460,11,1A2B3C4D5,702,2A1B,633984,78,100,-92,-7,10,1,40,1,2,3',  # noqa: E501 - verbatim
        ),
        Serving(
            (Cell(T.NR_SA, "46011", 0x2A1B, 0x1A2B3C4D5, 702, 633984, "n78", 100.0),),
            (Signal(T.NR_SA, rsrp_dbm=-92, rsrq_db=-7, sinr_db=10),),
        ),
        id="sa, UNISOC: MHz and three more fields",
    ),
    pytest.param(('+QENG: "servingcell","SEARCH"',), Serving(), id="searching"),
    pytest.param(('+QENG: "servingcell","NOCELL"',), Serving(), id="no cell"),
    pytest.param(
        ('+QENG: "servingcell","LIMSRV","WCDMA",222,01,8A1B,C1D2E3F,10713,223,1,-84,-6,-,-,-,-,-',),
        Serving((Cell(T.WCDMA, "22201", 0x8A1B, 0xC1D2E3F, arfcn=10713),)),
        id="limited service on WCDMA",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","NOCONN","GSM",250,99,DC51,B919,26,50,-,-73,255,255,0,38,38,1,-,-,-,-,-,-,-,-,"-"',  # noqa: E501 - verbatim
        ),
        Serving(
            (Cell(T.GSM, "25099", 0xDC51, 0xB919, arfcn=50),),
            (Signal(T.GSM, rssi_dbm=-73),),
        ),
        id="gsm",
    ),
    pytest.param(
        (
            '+QENG: "servingcell","CONNECT","CAT-M","FDD",262,03,2FAA03,187,6200,20,3,3,2AFB,-105,-11,-76,10,-',  # noqa: E501 - verbatim
        ),
        Serving(
            (Cell(T.LTE_M, "26203", 0x2AFB, 0x2FAA03, 187, 6200, "B20", 10.0),),
            (Signal(T.LTE_M, rssi_dbm=-76, rsrp_dbm=-105, rsrq_db=-11, sinr_db=10),),
        ),
        id="lte-m (BG96)",
    ),
]


@pytest.mark.parametrize(("lines", "expected"), SERVING_CELLS)
def test_serving_cell(lines: tuple[str, ...], expected: Serving) -> None:
    assert quectel_parse.serving_cell(lines) == expected


@pytest.mark.parametrize(
    "lines", [(), ("",), ("+QENG: ",), ('+QENG: "neighbourcell"',), ('+QENG: "servingcell"',)]
)
def test_no_serving_cell_answer_is_a_parse_error(lines: tuple[str, ...]) -> None:
    with pytest.raises(ParseError):
        quectel_parse.serving_cell(lines)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('+QCSQ: "LTE",-52,-81,195,-10', Signal(T.LTE, rssi_dbm=-52, rsrp_dbm=-81, rsrq_db=-10, sinr_db=19)),
        (
            '+QCSQ: "CAT-M1",-62,-92,93,-14',
            Signal(T.LTE_M, rssi_dbm=-62, rsrp_dbm=-92, rsrq_db=-14, sinr_db=-1.4),
        ),
        (
            '+QCSQ: "eMTC",-65,-85,168,-5',
            Signal(T.LTE_M, rssi_dbm=-65, rsrp_dbm=-85, rsrq_db=-5, sinr_db=13.6),
        ),
        (
            '+QCSQ: "NBIoT",-107,-134,35,-20',
            Signal(T.NB_IOT, rssi_dbm=-107, rsrp_dbm=-134, rsrq_db=-20, sinr_db=-13),
        ),
        (
            '+QCSQ: "NR5G-NSA",-63,-82,-10,24',
            Signal(T.NR_NSA, rssi_dbm=-63, rsrp_dbm=-82, rsrq_db=-10, sinr_db=24),
        ),
        ('+QCSQ: "GSM",-71', Signal(T.GSM, rssi_dbm=-71)),
        ('+QCSQ: "NOSERVICE"', None),
    ],
)
def test_signal_quality(line: str, expected: Signal | None) -> None:
    found = quectel_parse.signal_quality(line)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.sinr_db == pytest.approx(expected.sinr_db)
    assert (found.technology, found.rssi_dbm, found.rsrp_dbm, found.rsrq_db) == (
        expected.technology,
        expected.rssi_dbm,
        expected.rsrp_dbm,
        expected.rsrq_db,
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("+QTEMP: 31,31,30",), (("pmic", 31), ("xo", 31), ("pa", 30))),
        (("+QTEMP: 43",), (("modem", 43),)),
        (("+QTEMP: 31,255,-273",), (("pmic", 31),)),
        (
            ('+QTEMP:"qfe_wtr_pa0","-273"', '+QTEMP:"aoss0-usr","41"', '+QTEMP: "xo-therm-usr","39"'),
            (("aoss0-usr", 41), ("xo-therm-usr", 39)),
        ),
        ((), ()),
    ],
)
def test_temperatures(lines: tuple[str, ...], expected: tuple[tuple[str, float], ...]) -> None:
    assert quectel_parse.temperatures(lines) == tuple(Temperature(*each) for each in expected)


def test_sim_slot_under_both_names() -> None:
    assert quectel_parse.sim_slot("+QUIMSLOT: 1") == 1
    assert quectel_parse.sim_slot("+QUSIMSLOT: 2") == 2
    for line in ("", "+QUIMSLOT: ", "+QUIMSLOT: 3", "+QUIMSLOT: x"):
        with pytest.raises(ParseError):
            quectel_parse.sim_slot(line)


PARSERS: list[Callable[[str], object]] = [
    lambda line: quectel_parse.serving_cell((line, line)),
    lambda line: quectel_parse.temperatures((line,)),
    quectel_parse.signal_quality,
    quectel_parse.sim_slot,
]
heads = st.sampled_from(
    [
        '+QENG: "servingcell","NOCONN","LTE",',
        '+QENG: "servingcell","NOCONN",',
        '+QENG: "servingcell","CONNECT","NR5G-SA",',
        '+QENG: "servingcell","LIMSRV","GSM",',
        '+QENG: "NR5G-NSA",',
        '+QCSQ: "LTE",',
        "+QTEMP: ",
        "+QUIMSLOT: ",
        "",
    ]
)
bodies = st.lists(
    st.one_of(
        st.integers(-40000, 10**10).map(str),
        st.text(st.characters(codec="ascii"), max_size=8),
        st.sampled_from(["", "-", '"', "FDD", "nan", "inf", "²"]),
    ),
    max_size=20,
).map(",".join)


@pytest.mark.parametrize("parser", PARSERS)
@given(head=heads, body=bodies)
def test_any_line_parses_or_is_a_parse_error(parser: Callable[[str], object], head: str, body: str) -> None:
    with contextlib.suppress(ParseError):
        parser(head + body)
