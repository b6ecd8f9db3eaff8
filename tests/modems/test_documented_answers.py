"""Answers that are public, each as a modem of its make gave it, and what must be read from it.

Every row is one answer, or the few that belong together, replayed through the whole driver. What is not in
the row was not said, and must come out as None.
"""

# ruff: noqa: E501 - answers are kept in one line, as the modem sent them
import json
from dataclasses import dataclass

import pytest

from modems.at.channel import Channel
from modems.catalog import driver_for
from modems.driver import Driver
from modems.recording import Recording, replay
from modems.report import NAMES, Value
from modems.transcript import ReplayPort
from tests import virtual

CPIN = {"AT+CPIN?": "+CPIN: READY"}
QENG = 'AT+QENG="servingcell"'


@dataclass(frozen=True)
class Row:
    """`answers` by command, and what the report holds beyond None."""

    name: str
    driver: str
    answers: dict[str, str]
    facts: dict[str, Value]


def lte(**more: Value) -> dict[str, Value]:
    return {"rat": "lte", **more}


FM350 = [
    Row(
        "LTE row with band and bandwidth",
        "fibocom",
        {"AT+GTCCINFO?": "+GTCCINFO: \n1,4,250,1,1234,000123456,1802,470,103,100,-4,39,39,7"},
        lte(
            mcc="250",
            mnc="01",
            tac=0x1234,
            cell_id=0x123456,
            arfcn=1802,
            pci=470,
            band="B3",
            rsrp_dbm=-102,
            rsrq_db=-16.5,
            sinr_db=-2,
        ),
    ),
    Row(
        "dual connectivity: two serving rows, LTE first",
        "fibocom",
        {
            "AT+GTCCINFO?": "1,4,250,1,1234,001234567,1721,223,103,50,6,62,62,18\n"
            "1,9,,,FFFFFFF,00FFFFFFF,723322,143,5079,500,13,68,68,80"
        },
        lte(
            mcc="250",
            mnc="01",
            tac=0x1234,
            cell_id=0x1234567,
            arfcn=1721,
            pci=223,
            band="B3",
            rsrp_dbm=-79,
            rsrq_db=-11,
            sinr_db=3,
            nr_arfcn=723322,
            nr_pci=143,
            nr_band="n79",
            nr_rsrp_dbm=-89,
            nr_rsrq_db=-3.5,
            nr_sinr_db=-17,
        ),
    ),
    Row(
        "an older firmware's row without band, with a negative SINR",
        "fibocom",
        {"AT+GTCCINFO?": "1,4,262,2,1A2B,0012345AB,100,42,,,-7,29,29,4"},
        lte(
            mcc="262",
            mnc="02",
            tac=0x1A2B,
            cell_id=0x12345AB,
            arfcn=100,
            pci=42,
            rsrp_dbm=-112,
            rsrq_db=-18,
            sinr_db=-3.5,
        ),
    ),
    Row(
        "idle UMTS",
        "fibocom",
        {"AT+GTCCINFO?": "1,2,250,1,1234,001234567,2987,92,8,22,40,,40,,"},
        {
            "rat": "wcdma",
            "mcc": "250",
            "mnc": "01",
            "tac": 0x1234,
            "cell_id": 0x1234567,
            "arfcn": 2987,
            "band": "B8",
        },
    ),
    Row("no service", "fibocom", {"AT+GTCCINFO?": "+GTCCINFO: \n"}, {}),
    Row(
        "a neighbour is not the serving cell",
        "fibocom",
        {"AT+GTCCINFO?": "2,4,,,FFFF,00FFFFFFF,1721,224,,40,60,12"},
        {},
    ),
    Row(
        "CESQ on LTE",
        "generic",
        {"AT+CESQ": "+CESQ: 17,99,255,255,4,29,75,52,57"},
        {"rsrq_db": -18, "rsrp_dbm": -112, "nr_rsrq_db": -6, "nr_rsrp_dbm": -105, "nr_sinr_db": 5},
    ),
    Row(
        "CESQ without a signal",
        "generic",
        {"AT+CESQ": "+CESQ: 99,99,255,255,255,255,255,255,255", "AT+CSQ": "+CSQ: 99, 99"},
        {},
    ),
    Row(
        "a level without a card is a level, and no registration",
        "generic",
        {
            "AT+CPIN?": "+CME ERROR: 10",
            "AT+CESQ": "+CESQ: 99,99,255,255,22,64,255,255,255",
            "AT+CEREG?": "+CEREG: 2,0",
        },
        {"sim_state": "absent", "rsrq_db": -9, "rsrp_dbm": -77, "registered": False},
    ),
    Row("CSQ with blanks", "generic", {"AT+CSQ": "+CSQ: 9, 99"}, {"rssi_dbm": -95}),
    Row(
        "temperature in thousandths",
        "fibocom",
        {"AT+GTSENRDTEMP=1": "+GTSENRDTEMP: 1,56736"},
        {"temperature_c": 56.736},
    ),
    Row("a sensor that is not fitted", "fibocom", {"AT+GTSENRDTEMP=1": "+GTSENRDTEMP: 1,0"}, {}),
    Row("temperature refused", "fibocom", {"AT+GTSENRDTEMP=1": "+CME ERROR: phone failure"}, {}),
    Row(
        "identity in the query form",
        "fibocom",
        {
            "AT+CGMI?": '+CGMI: "Fibocom Wireless Inc."',
            "AT+CGMM?": '+CGMM: "FM350-GL"',
            "AT+CGSN?": '+CGSN: "354174400124199"',
        },
        {"manufacturer": "Fibocom Wireless Inc.", "model": "FM350-GL", "imei": "354174400124199"},
    ),
    Row(
        "slot with blanks",
        "fibocom",
        {**CPIN, "AT+GTDUALSIM?": '+GTDUALSIM : 0, "SUB1", "L"'},
        {"sim_state": "ready", "sim_slot": 1},
    ),
    Row(
        "slot without service",
        "fibocom",
        {**CPIN, "AT+GTDUALSIM?": '+GTDUALSIM: 0,"SUB1","No Service"'},
        {"sim_state": "ready", "sim_slot": 1},
    ),
    Row(
        "an eUICC without a profile is no card",
        "fibocom",
        {"AT+CPIN?": "+CPIN: EMPTY_EUICC"},
        {"sim_state": "absent"},
    ),
    Row(
        "registered by COPS without a blank",
        "fibocom",
        {"AT+CEREG?": "+CEREG: 2,1", "AT+COPS?": '+COPS:0,2,"26202",13'},
        {"registered": True, "rat": "nr-nsa", "mcc": "262", "mnc": "02"},
    ),
]

L850 = [
    Row(
        "XMCI, broken by the modem, and XLEC",
        "fibocom",
        {
            "AT+XMCI=1": '+XMCI: 4,510,11,"0x7D08","0x04E23C06","0x0071","0x0000052D","0x00004B7D","0xFFFFFFFF",\n'
            '59,19,14,"0x00000000","0x00000000"\n'
            '+XMCI: 5,000,000,"0xFFFE","0xFFFFFFFF","0x0071","0x00000EBE","0xFFFFFFFF","0xFFFFFFFF",55,8,255,"0x7FFFFFFF","0x00000000"',
            "AT+XLEC?": "+XLEC: 0,2,5,3,BAND_LTE_3",
        },
        lte(
            mcc="510",
            mnc="11",
            tac=0x7D08,
            cell_id=0x4E23C06,
            arfcn=1325,
            pci=113,
            band="B3",
            rsrp_dbm=-82,
            rsrq_db=-10.5,
        ),
    ),
    Row(
        "XCESQ",
        "fibocom",
        {"AT+XCESQ?": "+XCESQ: 0,99,99,255,255,10,34,16"},
        {"rsrq_db": -14.5, "rsrp_dbm": -107, "sinr_db": 8},
    ),
    Row("XCESQ, nothing measured", "fibocom", {"AT+XCESQ?": "+XCESQ: 0,99,99,255,255,255,255,255"}, {}),
    Row("temperature", "fibocom", {"AT+MTSM=1": "+MTSM: 29"}, {"temperature_c": 29}),
    Row("model in two spellings", "fibocom", {"AT+GMM": '+GMM: "L850 LTE Module","L850"'}, {"model": "L850"}),
    Row(
        "ICCID with its padding",
        "fibocom",
        {**CPIN, "AT+CCID": "+CCID: 8962115012345678901F"},
        {"sim_state": "ready", "iccid": "8962115012345678901"},
    ),
]

MC7455 = (
    "Current Time:  22016\t\tTemperature: 40\nSystem mode:   LTE        \tPS state:    Attached\n"
    "LTE band:      B2     \t\tLTE bw:      20 MHz\nLTE Rx chan:   800\n"
    "LTE CA state:  ACTIVE      \t\tLTE Scell band:B12\nPCC RxM RSSI:  -45\t\tRSRP (dBm):  -81\n"
    "Tx Power:      15\t\tTAC:         8C65 (35666)\nRSRQ (dB):     -14.0\t\tCell ID:     0A14666A (169106666)\n"
    "SINR (dB):     23.8"
)
EM9191_NSA = (
    "System mode:   ENDC\nLTE band:      B3     \t\tLTE bw:      20 MHz\nLTE SCC1 state:INACTIVE    \tLTE SCC1 band: B1\n"
    "LTE SCC1 bw  : 20 MHz\nPCC RxM1 RSSI:  -67\nSCC2 NR5G band: n78\nNR5G RSRP (dBm): -96\tNR5G RSRQ (dB): -10.5\nNR5G SINR (dB): 18"
)
EM9191_SA = (
    "System mode:   NR5G\tPS state:    Not attached\nNR5G band:     n78\tNR5G dl bw:  100 MHz\nNR5G TAC:      00550D (21773)\t"
    "NR5G Cell ID:  0A14666A1 (2705745569)\nNR5G(sub6) Rx0 RSSI (dBm): -67\nNR5G RSRP (dBm):  -91\tNR5G RSRQ (dB):  -11\nNR5G SINR (dB):  16.5"
)
SIERRA = [
    Row(
        "MC7455 on LTE with carrier aggregation",
        "sierra",
        {"AT!GSTATUS?": MC7455},
        lte(
            tac=0x8C65,
            cell_id=0xA14666A,
            arfcn=800,
            band="B2",
            rssi_dbm=-45,
            rsrp_dbm=-81,
            rsrq_db=-14,
            sinr_db=23.8,
            temperature_c=40,
        ),
    ),
    Row(
        "EM7565: the level under another name, an unknown power",
        "sierra",
        {
            "AT!GSTATUS?": "LTE band:      B7\nLTE SSC1 state:NOT ASSIGNED\nPCC RxM RSSI:  -87\t\tPCC RxM RSRP:  -119\nTx Power:      --\nTAC:         550d (21773)"
        },
        lte(tac=0x550D, band="B7", rssi_dbm=-87, rsrp_dbm=-119),
    ),
    Row(
        "EM9191 in dual connectivity",
        "sierra",
        {"AT!GSTATUS?": EM9191_NSA, "AT+COPS?": '+COPS: 0,2,"20201",13'},
        lte(
            mcc="202",
            mnc="01",
            band="B3",
            rssi_dbm=-67,
            nr_band="n78",
            nr_rsrp_dbm=-96,
            nr_rsrq_db=-10.5,
            nr_sinr_db=18,
        ),
    ),
    Row(
        "EM9191 standalone",
        "sierra",
        {"AT!GSTATUS?": EM9191_SA},
        {
            "rat": "nr-sa",
            "band": "n78",
            "nr_band": "n78",
            "tac": 0x550D,
            "cell_id": 0xA14666A1,
            "rssi_dbm": -67,
            "rsrp_dbm": -91,
            "rsrq_db": -11,
            "sinr_db": 16.5,
            "nr_rsrp_dbm": -91,
            "nr_rsrq_db": -11,
            "nr_sinr_db": 16.5,
        },
    ),
    Row(
        "a value of dashes is absent",
        "sierra",
        {"AT!GSTATUS?": "LTE band:      B3\nSCC1 NR5G band: ---\nPCC RxM1 RSRP: ---"},
        lte(band="B3"),
    ),
    Row(
        "radio off",
        "sierra",
        {
            "AT!GSTATUS?": "Mode:        LOW POWER MODE\nSystem mode:   Unknown\nGMM (PS) state:DEREGISTERED     NO SERVICE"
        },
        {},
    ),
    Row("WCDMA", "sierra", {"AT!GSTATUS?": "System mode:   WCDMA\nRX level (dBm):-85"}, {"rssi_dbm": -85}),
    Row(
        "temperature of its own command",
        "sierra",
        {"AT!PCTEMP?": "Temp state: Normal\nTemperature: 41.25 C"},
        {"temperature_c": 41.25},
    ),
    Row("slot 1", "sierra", {**CPIN, "AT!UIMS?": "!UIMS: 0"}, {"sim_state": "ready", "sim_slot": 1}),
    Row(
        "slot chosen by the modem",
        "sierra",
        {**CPIN, "AT!UIMS?": "!UIMS: 3,1"},
        {"sim_state": "ready", "sim_slot": 2},
    ),
    Row(
        "an empty slot",
        "sierra",
        {"AT+CPIN?": "+CME ERROR: SIM failure", "AT!UIMS?": "!UIMS: 0"},
        {"sim_state": "failure", "sim_slot": 1},
    ),
]

ANCHOR = '+QENG: "LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-'
ANCHOR_FACTS = lte(
    mcc="222",
    mnc="01",
    tac=0xBE3,
    cell_id=0x328261F,
    arfcn=275,
    pci=280,
    band="B1",
    rsrp_dbm=-99,
    rsrq_db=-14,
    rssi_dbm=-66,
    sinr_db=7,
)
QUECTEL = [
    Row(
        "LTE",
        "quectel",
        {
            QENG: '+QENG: "servingcell","NOCONN","LTE","FDD",222,01,4940206,427,1350,3,5,5,BFF,-93,-11,-61,11,7,50,-'
        },
        lte(
            mcc="222",
            mnc="01",
            tac=0xBFF,
            cell_id=0x4940206,
            arfcn=1350,
            pci=427,
            band="B3",
            rsrp_dbm=-93,
            rsrq_db=-11,
            rssi_dbm=-61,
            sinr_db=11,
        ),
    ),
    Row(
        "dual connectivity",
        "quectel",
        {
            QENG: f'+QENG: "servingcell","NOCONN"\n{ANCHOR}\n+QENG: "NR5G-NSA",222,01,920,-96,18,-10,648768,78,10,1'
        },
        ANCHOR_FACTS
        | {
            "nr_pci": 920,
            "nr_rsrp_dbm": -96,
            "nr_sinr_db": 18,
            "nr_rsrq_db": -10,
            "nr_arfcn": 648768,
            "nr_band": "n78",
        },
    ),
    Row(
        "an NR leg that is not measured",
        "quectel",
        {
            QENG: f'+QENG: "servingcell","NOCONN"\n{ANCHOR}\n+QENG: "NR5G-NSA",460,00,65535,-32768,-32768,-32768'
        },
        ANCHOR_FACTS,
    ),
    Row(
        "an NR leg with a short tail and no blank",
        "quectel",
        {QENG: f'+QENG: "servingcell","CONNECT"\n{ANCHOR}\n+QENG:"NR5G-NSA",222,01,920,-96,18,-10'},
        ANCHOR_FACTS | {"nr_pci": 920, "nr_rsrp_dbm": -96, "nr_sinr_db": 18, "nr_rsrq_db": -10},
    ),
    Row("searching", "quectel", {QENG: '+QENG: "servingcell","SEARCH"'}, {}),
    Row("no cell", "quectel", {QENG: '+QENG: "servingcell","NOCELL"'}, {}),
    Row(
        "limited service",
        "quectel",
        {
            QENG: '+QENG: "servingcell","LIMSRV","LTE","FDD",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-',
            "AT+CEREG?": "+CEREG: 2,0",
        },
        ANCHOR_FACTS | {"registered": False},
    ),
    Row(
        "2G",
        "quectel",
        {
            QENG: '+QENG: "servingcell","NOCONN","GSM",250,99,DC51,B919,26,50,-,-73,255,255,0,38,38,1,-,-,-,-,-,-,-,-,-,"-"'
        },
        {
            "rat": "gsm",
            "mcc": "250",
            "mnc": "99",
            "tac": 0xDC51,
            "cell_id": 0xB919,
            "arfcn": 50,
            "rssi_dbm": -73,
        },
    ),
    Row(
        "BG96 on LTE-M",
        "quectel",
        {
            QENG: '+QENG: "servingcell","CONNECT","CAT-M","FDD",262,03,2FAA03,187,6200,20,3,3,2AFB,-105,-11,-76,10,-'
        },
        {
            "rat": "lte-m",
            "mcc": "262",
            "mnc": "03",
            "tac": 0x2AFB,
            "cell_id": 0x2FAA03,
            "arfcn": 6200,
            "pci": 187,
            "band": "B20",
            "rsrp_dbm": -105,
            "rsrq_db": -11,
            "rssi_dbm": -76,
            "sinr_db": 10,
        },
    ),
    Row(
        "standalone with a blank before the country",
        "quectel",
        {
            QENG: '+QENG: "servingcell","NOCONN","NR5G-SA","TDD", 460,11,4940206A1,702,2AFB1E,633984,78,12,-92,-7,10,1,-'
        },
        {
            "rat": "nr-sa",
            "mcc": "460",
            "mnc": "11",
            "tac": 0x2AFB1E,
            "cell_id": 0x4940206A1,
            "arfcn": 633984,
            "pci": 702,
            "band": "n78",
            "rsrp_dbm": -92,
            "rsrq_db": -7,
            "sinr_db": 10,
            "nr_rsrp_dbm": -92,
            "nr_rsrq_db": -7,
            "nr_sinr_db": 10,
            "nr_band": "n78",
            "nr_arfcn": 633984,
            "nr_pci": 702,
        },
    ),
    Row(
        "EC25's level, SINR in fifths of a dB from -20",
        "quectel",
        {"AT+QCSQ": '+QCSQ: "LTE",-52,-81,195,-10'},
        {"rssi_dbm": -52, "rsrp_dbm": -81, "sinr_db": 19, "rsrq_db": -10},
    ),
    Row(
        "BG96's level on LTE-M",
        "quectel",
        {"AT+QCSQ": '+QCSQ: "CAT-M1",-62,-92,93,-14'},
        {"rssi_dbm": -62, "rsrp_dbm": -92, "sinr_db": pytest.approx(-1.4), "rsrq_db": -14},
    ),
    Row(
        "BG96's level on LTE-M, in an older word",
        "quectel",
        {"AT+QCSQ": '+QCSQ: "eMTC",-65,-85,168,-5'},
        {"rssi_dbm": -65, "rsrp_dbm": -85, "sinr_db": pytest.approx(13.6), "rsrq_db": -5},
    ),
    Row(
        "BG96's level on NB-IoT",
        "quectel",
        {"AT+QCSQ": '+QCSQ: "NBIoT",-107,-134,35,-20'},
        {"rssi_dbm": -107, "rsrp_dbm": -134, "sinr_db": -13, "rsrq_db": -20},
    ),
    Row(
        "a chained question, recorded as one",
        "fibocom",
        {
            "AT+GTCCINFO?;+GTCAINFO?": "AT+GTCCINFO?;+GTCAINFO?\n+GTCCINFO: \n"
            "1,4,250,1,1234,000123456,1802,470,103,100,-4,39,39,7\n"
            "PCC:103,470,1802,100,100,1,1,2,2,-102\nSCC 1:2,0,138,18,38100,100,255,0,255,0,255,-102"
        },
        lte(
            mcc="250",
            mnc="01",
            tac=0x1234,
            cell_id=0x123456,
            arfcn=1802,
            pci=470,
            band="B3",
            rsrp_dbm=-102,
            rsrq_db=-16.5,
            sinr_db=-2,
        ),
    ),
    Row("three temperatures in a line", "quectel", {"AT+QTEMP": "+QTEMP: 31,31,30"}, {"temperature_c": 31}),
    Row("one temperature", "quectel", {"AT+QTEMP": "+QTEMP: 43"}, {"temperature_c": 43}),
    Row(
        "a line a sensor, one not fitted",
        "quectel",
        {"AT+QTEMP": '+QTEMP:"aoss0-usr","41"\n+QTEMP:"qfe_wtr_pa0","-273"'},
        {"temperature_c": 41},
    ),
    Row("slot", "quectel", {**CPIN, "AT+QUIMSLOT?": "+QUIMSLOT: 1"}, {"sim_state": "ready", "sim_slot": 1}),
    Row(
        "slot under its other name",
        "quectel",
        {**CPIN, "AT+QUIMSLOT?": "+QUSIMSLOT: 2"},
        {"sim_state": "ready", "sim_slot": 2},
    ),
    Row(
        "ICCID refused in one spelling",
        "quectel",
        {**CPIN, "AT+ICCID": "+CME ERROR: 4", "AT+CCID": "+CCID: 89860012345678901234"},
        {"sim_state": "ready", "iccid": "89860012345678901234"},
    ),
    Row(
        "a network by name",
        "quectel",
        {"AT+CEREG?": '+CEREG: 2,5,"2D0D","1A2B303",7', "AT+COPS?": '+COPS: 0,0,"I TIM",7'},
        {"registered": True, "rat": "lte", "operator": "I TIM"},
    ),
]


@pytest.mark.parametrize(
    "row", [*FM350, *L850, *SIERRA, *QUECTEL], ids=lambda row: f"{row.driver}: {row.name}"
)
def test_what_a_documented_answer_says(row: Row) -> None:
    recorded = [{"command": command, "response": answer} for command, answer in row.answers.items()]
    report: dict[str, Value] = {}

    async def run() -> None:
        report.update(await replay(Recording.from_json(json.dumps(recorded)), driver=row.driver))

    virtual.run(run())
    assert report == dict.fromkeys(NAMES) | row.facts


@pytest.mark.parametrize(
    ("driver", "line", "state"),
    [
        ("fibocom", "+SIM: Inserted", "unknown"),
        ("fibocom", "+SIM: Removed", "absent"),
        ("fibocom", "+SIM DROP", "absent"),
        ("quectel", "+QSIMSTAT : 1,0", "absent"),
        ("quectel", "+QUSIM: 1", "unknown"),
        ("quectel", "+CPIN: NOT READY", "absent"),
    ],
)
def test_documented_news_of_the_card(driver: str, line: str, state: str) -> None:
    modem: Driver = driver_for(driver)(Channel(ReplayPort(Recording(()).transcript())))
    fact = modem.on_urc(line)
    assert fact is not None
    assert getattr(fact, "state") == state  # noqa: B009 - a Fact of one kind among others
