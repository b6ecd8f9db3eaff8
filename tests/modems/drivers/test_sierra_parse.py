"""Sierra's own answers, verbatim."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.drivers import sierra_parse
from modems.errors import ParseError
from modems.facts import Cell, Signal, Technology, Temperature

T = Technology

MC7455 = (
    "!GSTATUS: ",
    "Current Time:  22016\t\tTemperature: 40",
    "System mode:   LTE        \tPS state:    Attached",
    "LTE band:      B2     \t\tLTE bw:      20 MHz",
    "LTE Rx chan:   800",
    "LTE CA state:  ACTIVE      \t\tLTE Scell band:B12",
    "PCC RxM RSSI:  -45\t\tRSRP (dBm):  -81",
    "Tx Power:      15\t\tTAC:         8C65 (35666)",
    "RSRQ (dB):     -14.0\t\tCell ID:     0A14666A (169106666)",
    "SINR (dB):     23.8",
)
EM7565 = (
    "System mode:   LTE        \tPS state:    Attached",
    "LTE band:      B2     \t\tLTE bw:      20 MHz",
    "LTE SSC1 state:NOT ASSIGNED",
    "PCC RxM RSSI:  -87\t\tPCC RxM RSRP:  -119",
    "Tx Power:      --\t\tTAC:         550d (21773)",
)
EM9191_NSA = (
    "System mode:   ENDC       \tPS state:    Attached",
    "LTE band:      B3     \t\tLTE bw:      20 MHz",
    "LTE SCC1 state:INACTIVE    \tLTE SCC1 band: B1",
    "LTE SCC1 bw  : 20 MHz",
    "PCC RxM1 RSSI:  -67",
    "SCC1 NR5G band: n78",
    "NR5G RSRP (dBm):  -88\tNR5G RSRQ (dB):  -11",
    "NR5G SINR (dB):   ---",
)
EM9191_SA = (
    "System mode:   NR5G       \tPS state:    Not attached",
    "NR5G band:     n78     \tNR5G dl bw:      100 MHz",
    "NR5G TAC:      a1b2 (41394)\tNR5G Cell ID:    a1b2c3d4 (2712847316)",
    "NR5G(sub6) Rx0 RSSI (dBm):  -61",
    "NR5G RSRP (dBm):  -84\tNR5G RSRQ (dB):  -11",
    "NR5G SINR (dB):   21.5",
)
RADIO_OFF = (
    "Current Time:  56\t\tTemperature: 4_!",
    "Reset Counter: 1\t\tMode:        LOW POWER MODE",
    "System mode:   Unknown",
    "GMM (PS) state:DEREGISTERED     NO SERVICE",
)


@pytest.mark.parametrize(
    ("lines", "cells", "signals"),
    [
        pytest.param(
            MC7455,
            (Cell(T.LTE, tac=0x8C65, cell_id=0x0A14666A, arfcn=800, band="B2", bandwidth_mhz=20.0),),
            (Signal(T.LTE, rssi_dbm=-45, rsrp_dbm=-81, rsrq_db=-14, sinr_db=23.8),),
            id="mc7455",
        ),
        pytest.param(
            EM7565,
            (Cell(T.LTE, tac=0x550D, band="B2", bandwidth_mhz=20.0),),
            (Signal(T.LTE, rssi_dbm=-87, rsrp_dbm=-119),),
            id="em7565",
        ),
        pytest.param(
            EM9191_NSA,
            (Cell(T.LTE, band="B3", bandwidth_mhz=20.0), Cell(T.NR_NSA, band="n78")),
            (Signal(T.LTE, rssi_dbm=-67), Signal(T.NR_NSA, rsrp_dbm=-88, rsrq_db=-11)),
            id="em9191 nsa",
        ),
        pytest.param(
            EM9191_SA,
            (Cell(T.NR_SA, tac=0xA1B2, cell_id=0xA1B2C3D4, band="n78", bandwidth_mhz=100.0),),
            (Signal(T.NR_SA, rssi_dbm=-61, rsrp_dbm=-84, rsrq_db=-11, sinr_db=21.5),),
            id="em9191 sa",
        ),
        pytest.param(RADIO_OFF, (), (), id="radio off"),
        pytest.param(("RX level (dBm):-85",), (), (Signal(T.WCDMA, rssi_dbm=-85),), id="wcdma"),
        pytest.param((), (), (), id="nothing"),
    ],
)
def test_status(lines: tuple[str, ...], cells: tuple[Cell, ...], signals: tuple[Signal, ...]) -> None:
    pairs = sierra_parse.status(lines)
    assert sierra_parse.cells(pairs) == cells
    assert sierra_parse.signals(pairs) == signals


def test_temperature_of_both_answers_and_never_a_garbled_one() -> None:
    assert sierra_parse.temperature(sierra_parse.status(MC7455)) == (Temperature("modem", 40),)
    detailed = sierra_parse.status(("Temp state: Normal", "Temperature: 40.25 C"))
    assert sierra_parse.temperature(detailed) == (Temperature("modem", 40.25),)
    assert sierra_parse.temperature(sierra_parse.status(RADIO_OFF)) == ()


@pytest.mark.parametrize(
    ("line", "slot"), [("!UIMS: 0", 1), ("!UIMS: 1", 2), ("!UIMS: 3,1", 2), ("!UIMS: 3,0", 1)]
)
def test_sim_slot(line: str, slot: int) -> None:
    assert sierra_parse.sim_slot(line) == slot


@pytest.mark.parametrize("line", ["", "!UIMS:", "!UIMS: 3", "!UIMS: x", "+UIMS: 0"])
def test_no_sim_slot_is_a_parse_error(line: str) -> None:
    with pytest.raises(ParseError):
        sierra_parse.sim_slot(line)


READERS: list[Callable[[dict[str, str]], object]] = [
    sierra_parse.cells,
    sierra_parse.signals,
    sierra_parse.temperature,
]
keys = st.sampled_from(
    [
        "TAC",
        "Cell ID",
        "LTE band",
        "LTE bw",
        "LTE Rx chan",
        "RSRP (dBm)",
        "NR5G band",
        "NR5G RSRP (dBm)",
        "Temperature",
    ]
)


@given(
    st.lists(st.tuples(keys, st.one_of(st.text(max_size=12), st.integers().map(str), st.floats().map(str))))
)
def test_any_status_reads(pairs: list[tuple[str, str]]) -> None:
    read = sierra_parse.status(tuple(f"{key}: {value}" for key, value in pairs))
    for reader in READERS:
        with contextlib.suppress(ParseError):
            reader(read)


@pytest.mark.parametrize(
    ("lines", "pci"),
    [
        ((), None),
        (("!NRPCI: 512",), 512),
        (("NR5G PCI: 38 (0x26)",), 38),
        (("!NRPCI: 1008", "7"), 7),
        (("NR5G PCI: ---",), None),
        (("version 2.38",), None),
    ],
)
def test_the_pci_of_the_nr_cell_in_any_wording(lines: tuple[str, ...], pci: int | None) -> None:
    assert sierra_parse.nr_pci(lines) == pci


@pytest.mark.parametrize(
    ("lines", "pci"),
    [
        (("Serving: EARFCN MCC PCI", "1350 222 187"), 187),
        (("Serving: EARFCN MCC PCI", "IntraFreq: EARFCN PCI", "1350 99"), None),
        (("Serving: EARFCN MCC PCI",), None),
        (("Serving: EARFCN MCC", "1350 222"), None),
        (("Serving: EARFCN MCC PCI", "1350 222 504"), None),
    ],
)
def test_the_pci_of_the_lte_cell_is_the_serving_row_s(lines: tuple[str, ...], pci: int | None) -> None:
    assert sierra_parse.lte_pci(lines) == pci
