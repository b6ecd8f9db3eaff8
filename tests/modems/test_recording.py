"""Recordings of the field: made, masked, written, read, and replayed to the same facts."""

import json
from pathlib import Path

import pytest

from modems import transcript
from modems.at.channel import Channel, Exchanged
from modems.catalog import DRIVERS, driver_for
from modems.driver import Driver
from modems.errors import AtError, ParseError
from modems.facts import (
    Cell,
    Identity,
    Registration,
    RegistrationState,
    Serving,
    Signal,
    Sim,
    SimState,
    Technology,
)
from modems.recording import Recording, replay
from modems.report import NAMES, Value, flat
from modems.survey import survey
from modems.transcript import ReplayPort
from tests import virtual

TRANSCRIPTS = Path(__file__).parent / "transcripts"
MODELS = {
    "generic": "generic",
    "quectel-rm500q-sa": "quectel",
    "quectel-bg96": "quectel",
    "fibocom-fm350": "fibocom",
    "fibocom-l850": "fibocom",
    "sierra-em7565": "sierra",
    "sierra-em9191": "sierra",
}


def surveyed(model: str) -> tuple[dict[str, Value], Recording]:
    """Return what a survey of a transcript's modem tells, and the recording made of it."""
    port = ReplayPort(transcript.parse((TRANSCRIPTS / f"{model}.txt").read_text(encoding="ascii")))
    heard: list[Exchanged] = []
    report: dict[str, Value] = {}

    async def run() -> None:
        async with Channel(port) as channel:
            channel.on_exchange = heard.append
            report.update(await survey(driver_for(MODELS[model])(channel)))

    virtual.run(run())
    return report, Recording.of(heard)


def replayed(recording: Recording, **choice: str) -> dict[str, Value]:
    found: dict[str, Value] = {}

    async def run() -> None:
        found.update(await replay(recording, **choice))

    virtual.run(run())
    return found


@pytest.mark.parametrize("model", MODELS)
def test_a_recording_replays_to_the_facts_of_the_modem(model: str) -> None:
    report, recording = surveyed(model)
    again = Recording.from_json(recording.to_json())
    assert again == recording
    assert replayed(again) == replayed(again, driver=MODELS[model]) == report
    assert tuple(report) == NAMES
    assert report["registered"] is True
    assert report["imei"] is not None


def test_both_legs_have_names_of_their_own() -> None:
    report, _ = surveyed("fibocom-fm350")
    assert (report["rat"], report["mcc"], report["mnc"]) == ("nr-nsa", "250", "01")
    assert (report["band"], report["pci"], report["rsrp_dbm"]) == ("B3", 223, -79)
    assert (report["nr_band"], report["nr_pci"], report["nr_rsrp_dbm"]) == ("n79", 143, -89)
    assert (report["temperature_c"], report["sim_slot"], report["sim_state"]) == (37.628, 1, "ready")
    standalone, _ = surveyed("quectel-rm500q-sa")
    assert standalone["rsrp_dbm"] == standalone["nr_rsrp_dbm"] is not None
    assert standalone["band"] == standalone["nr_band"] is not None


def test_nothing_known_is_none_and_never_a_number() -> None:
    assert set(flat().values()) == {None}
    empty = flat(
        identity=Identity(None, None, None, None),
        sim=Sim(SimState.UNKNOWN),
        registration=Registration(RegistrationState.UNKNOWN),
        cell=None,
        signal=Signal(),
    )
    assert set(empty.values()) == {None}


def test_a_cell_without_service_is_not_a_registration() -> None:
    serving = Serving((Cell(Technology.LTE, "22201", band="B3"),), (Signal(Technology.LTE, rsrp_dbm=-99.0),))
    report = flat(
        registration=Registration(RegistrationState.SEARCHING), cell=serving.cell, signal=serving.signal
    )
    assert (report["rat"], report["registered"], report["mnc"]) == ("lte", False, "01")
    assert (report["rsrp_dbm"], report["nr_rsrp_dbm"]) == (-99, None)


def test_masking_leaves_maker_network_and_issuer() -> None:
    _, recording = surveyed("fibocom-fm350")
    text = recording.masked().to_json()
    for kept in ("35417440000000", "897010000000000", "25001000000000"):
        assert kept in text
    for gone in ("354174400124199", "89701012345678901234", "250011234567890"):
        assert gone not in text
    report = replayed(recording.masked())
    assert (report["imei"], report["band"], report["operator"]) == ("354174400000000", "B3", None)


def test_secret_commands_are_recorded_without_what_they_say() -> None:
    heard: list[Exchanged] = []

    async def run() -> None:
        text = '> AT+CSIM=*\n< +CSIM: 4,"9000"\n< OK\n> AT+CPIN=*\n< +CME ERROR: 16\n'
        async with Channel(ReplayPort(transcript.parse(text))) as channel:
            channel.on_exchange = heard.append
            await channel.run('AT+CSIM=10,"0070000001"', timeout_s=1)
            with pytest.raises(AtError):
                await channel.run('AT+CPIN="1234"', timeout_s=1)

    virtual.run(run())
    assert heard == [
        Exchanged("AT+CSIM=<redacted>", (), "OK"),
        Exchanged("AT+CPIN=<redacted>", (), "+CME ERROR: 16"),
    ]


def test_what_people_type_is_understood() -> None:
    typed = [
        {"command": "AT+CGMI", "response": "AT+CGMI\r\r\nQuectel\r\n\r\nOK\r\n"},
        {"command": "AT+CGSN", "response": ["861585041234568"]},
        {"command": "AT+CPIN?", "response": "+CME ERROR: SIM not inserted"},
        {
            "command": 'AT+CEREG?;+COPS?;+QENG="servingcell"',
            "response": '+CEREG: 2,1,"2D0D","1A2B303",7\n+COPS: 0,2,"22201",7\n'
            '+QENG: "servingcell","NOCONN","LTE","FDD",222,01,1A2B303,187,1350,3,5,5,2D0D,-93,-12,-67,15,-',
        },
    ]
    report = replayed(Recording.from_json(json.dumps(typed)))
    assert (report["manufacturer"], report["imei"]) == ("Quectel", "861585041234568")
    assert (report["sim_state"], report["iccid"]) == ("absent", None)
    assert (report["registered"], report["rat"], report["band"], report["arfcn"]) == (True, "lte", "B3", 1350)
    assert (report["rsrp_dbm"], report["sinr_db"], report["temperature_c"]) == (-93, 15, None)


@pytest.mark.parametrize(
    ("model", "answer", "band"),
    [
        ("EM7565", ("AT!GSTATUS?", "LTE band:      B2     \t\tLTE bw:      20 MHz"), "B2"),
        ("em9191", ("AT!GSTATUS?", "LTE band:      B2     \t\tLTE bw:      20 MHz"), "B2"),
        ("FM350-GL", ("AT+GTCCINFO?", "1,4,250,1,1234,000123456,1802,470,103,100,-4,39,39,7"), "B3"),
        (
            "RM502Q",
            ('AT+QENG="servingcell"', '+QENG: "servingcell","NOCONN","LTE","FDD",222,01,1,1,1,3'),
            "B3",
        ),
    ],
)
def test_a_model_chooses_the_driver(model: str, answer: tuple[str, str], band: str) -> None:
    typed = [
        {"command": answer[0], "response": answer[1]},
        {"command": "AT+COPS?", "response": "+COPS: 0"},
        {"command": "AT+CSQ", "response": "+CSQ: 99,99"},
    ]
    assert replayed(Recording.from_json(json.dumps(typed)), model=model)["band"] == band


@pytest.mark.parametrize("choice", [{"model": "Nokia 3310"}, {"driver": "nokia"}])
def test_a_name_nobody_knows_is_refused_with_those_there_are(choice: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="there are"):
        replayed(Recording(()), **choice)


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_an_empty_recording_is_a_modem_about_which_nothing_is_known(driver: type[Driver]) -> None:
    assert set(replayed(Recording(()), driver=driver.name).values()) == {None}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        ("{}", "not a list"),
        ('[{"command": "AT"}]', "entry 1"),
        ('[{"command": "AT", "response": "OK"}, {"command": "AT", "response": [1]}]', "entry 2"),
    ],
)
def test_a_broken_file_is_told_where(text: str, words: str) -> None:
    with pytest.raises(ParseError, match=words):
        Recording.from_json(text)
