"""`remsimctl modem` as a person types it: against a control socket, and without one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modems.facts import Cell, Identity, Registration, RegistrationState, Signal, Sim, SimState, Technology
from modems.report import NAMES
from remsimd.cli.control import main
from remsimd.config.model import Config, ModemConfig
from remsimd.control.methods import table
from remsimd.control.socket import ControlSocket
from remsimd.errors import ControlError
from remsimd.observe.eventlog import EventLog
from remsimd.state import start
from remsimd.store import Store
from tests.control.test_socket import Doer

QENG = '+QENG: "servingcell","NOCONN","LTE","FDD",222,01,1A2B303,187,1350,3,5,5,2D0D,-93,-12,-67,15,-'
RECORDED = [
    {"command": "AT+CGMI", "response": "Quectel\nOK"},
    {"command": "AT+CPIN?", "response": "+CPIN: READY\nOK"},
    {"command": 'AT+QENG="servingcell"', "response": f"{QENG}\nOK"},
]


class Modems(Doer):
    """One modem that knows AT+CSQ, and that takes its time for AT+COPS=?."""

    async def modem_at(self, modem: str, command: str, timeout_s: int) -> dict[str, Any]:
        if modem != "primary":
            raise ControlError(f"no modem {modem!r}; modems: primary")
        if "\r" in command or "\n" in command:
            raise ControlError("an AT line is AT and printable ASCII on one line")
        if command == "AT+CSQ":
            return {"lines": ["+CSQ: 20,99"], "result": "OK"}
        return {"lines": [], "result": f"+CME ERROR: {timeout_s}"}

    async def modem_record(self, modem: str, *, raw: bool) -> list[dict[str, str]]:
        return [*RECORDED, {"command": "AT+CGSN", "response": "867698041234567" if raw else "0"}]


def known() -> Store:
    store = Store(start(Config(modems=(ModemConfig(name="primary"), ModemConfig(name="secondary"))), 0.0))
    modem = replace(
        store.now.modems["primary"],
        port="/dev/ttyUSB2",
        driver="quectel",
        identity=Identity("Quectel", "EC25", "R06", "861585041234568"),
        registration=Registration(RegistrationState.HOME, Technology.LTE, "I TIM", "22201"),
        sim=Sim(SimState.READY, slot=1),
        signal=Signal(Technology.LTE, rsrp_dbm=-93.0),
        cell=Cell(Technology.LTE, "22201", band="B3"),
    )
    store.now = replace(store.now, modems={**store.now.modems, "primary": modem})
    return store


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[None]:
    eventlog = EventLog()
    server = ControlSocket(path, table(known(), eventlog, Modems()), eventlog)
    task = asyncio.create_task(server.run())
    async with asyncio.timeout(5):
        while not path.exists():
            await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def ctl(path: Path, *words: str) -> Result:
    arguments = ["--socket", str(path), "modem", *words]
    async with served(path):
        return await asyncio.to_thread(CliRunner().invoke, main, arguments)


def replayed(tmp_path: Path, document: object, *options: str) -> Result:
    file = tmp_path / "recording.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return CliRunner().invoke(main, ["modem", "replay", str(file), *options])


async def test_the_list_says_where_each_modem_is_and_why_one_is_not(tmp_path: Path) -> None:
    shown = await ctl(tmp_path / "s", "list")
    head, primary, secondary = shown.output.splitlines()
    assert head.split() == ["MODEM", "MODEL", "PORT", "DRIVER", "NETWORK", "STATE"]
    assert primary.split() == ["primary", "EC25", "/dev/ttyUSB2", "quectel", "I", "TIM", "ready"]
    assert secondary.endswith("not registered  not found yet")


async def test_the_list_as_json_has_the_flat_names(tmp_path: Path) -> None:
    listed = json.loads((await ctl(tmp_path / "s", "list", "--json")).output)
    assert tuple(listed["primary"]) == NAMES
    assert (listed["primary"]["mnc"], listed["primary"]["rsrp_dbm"]) == ("01", -93.0)
    assert set(listed["secondary"].values()) == {None}


async def test_an_at_line_prints_its_answer_and_exits_by_its_result(tmp_path: Path) -> None:
    good = await ctl(tmp_path / "s", "at", "primary", "AT+CSQ")
    assert (good.output, good.exit_code) == ("+CSQ: 20,99\nOK\n", 0)
    refused = await ctl(tmp_path / "s", "at", "primary", "AT+X", "--timeout", "7")
    assert (refused.output, refused.exit_code) == ("+CME ERROR: 7\n", 1)


@pytest.mark.parametrize(
    ("name", "command", "words"),
    [("primary", "AT\rAT+CFUN=0", "on one line"), ("tertiary", "AT", "no modem 'tertiary'; modems: primary")],
)
async def test_an_at_line_that_is_refused_says_why(
    name: str, command: str, words: str, tmp_path: Path
) -> None:
    refused = await ctl(tmp_path / "s", "at", name, command)
    assert refused.exit_code == 1
    assert words in refused.output


@pytest.mark.parametrize(("options", "imei"), [((), "0"), (("--raw",), "867698041234567")])
async def test_a_recording_is_a_file_that_replays(
    options: tuple[str, ...], imei: str, tmp_path: Path
) -> None:
    file = tmp_path / "modem.json"
    done = await ctl(tmp_path / "s", "record", "primary", "-o", str(file), *options)
    assert done.exit_code == 0
    document = json.loads(file.read_text())
    assert document[:-1] == RECORDED
    assert document[-1]["response"] == imei
    shown = await asyncio.to_thread(replayed, tmp_path, document, "--json")
    facts = json.loads(shown.output)
    assert (facts["rat"], facts["band"], facts["pci"], facts["iccid"]) == ("lte", "B3", 187, None)


def test_a_replay_needs_no_daemon_and_prints_a_table(tmp_path: Path) -> None:
    shown = replayed(tmp_path, RECORDED)
    assert shown.exit_code == 0
    assert "rsrp_dbm       -93.0" in shown.output
    assert "nr_rsrp_dbm    -" in shown.output


@pytest.mark.parametrize(
    ("options", "band"),
    [(("--driver", "quectel"), "B3"), (("--model", "EC25"), "B3"), (("--driver", "generic"), None)],
)
def test_driver_and_model_can_be_chosen(options: tuple[str, ...], band: str | None, tmp_path: Path) -> None:
    assert json.loads(replayed(tmp_path, RECORDED, *options, "--json").output)["band"] == band


@pytest.mark.parametrize(
    ("document", "options", "words"),
    [
        ("not json", (), "not JSON"),
        ([{"command": "AT"}], (), "entry 1"),
        (RECORDED, ("--model", "Nokia"), "no model 'Nokia': there are Fibocom FM350-GL"),
        (RECORDED, ("--driver", "nokia"), "no driver 'nokia': there are fibocom"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    document: object, options: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    refused = replayed(tmp_path, document, *options)
    assert refused.exit_code != 0
    assert words in refused.output
