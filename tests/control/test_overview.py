"""Parts of the state, the check of a configuration, and what is not well."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modems.facts import Registration, RegistrationState
from remsimd import events as ev
from remsimd.assignment import Assignment
from remsimd.config.model import Config, ModemConfig, Role, SimSource
from remsimd.control.overview import checks, table
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote
from remsimd.state import IonmeshView, LinkState, ModemState, PartView, RsproView, State, start
from remsimd.store import Store

WELL = State(
    modems={
        "primary": ModemState(
            name="primary",
            role=Role.PRIMARY,
            port="/dev/ttyUSB2",
            registration=Registration(state=RegistrationState.HOME),
            sim_source=SimSource.REMOTE,
            sim_cause="assigned",
        )
    },
    links={"primary": LinkState(name="primary", health=ev.LinkHealth.UP, cause="answers")},
    active_link="primary",
    rspro=RsproView(state=remote.RsproState.OPERATIONAL),
    ionmesh=IonmeshView(state=ionmesh_events.IonmeshState.REGISTERED),
)


async def ask(method: str, state: State, path: Path = Path("remsim"), **params: Any) -> Any:
    answer = await table(Store(state), path)[method].call(method, params)
    return json.loads(json.dumps(answer))


async def test_parts_of_the_state_are_those_of_the_status() -> None:
    assert (await ask("modems", WELL))["primary"]["facts"]["registered"] is True
    links = await ask("links", WELL)
    assert (links["active"], links["links"]["primary"]["health"]) == ("primary", "up")


async def test_the_cards_are_told_with_their_cause_and_the_way_to_the_bank() -> None:
    card = Assignment(client_id=1, client_slot=0, bank_id=1, slot_id=3)
    state = replace(WELL, ionmesh=replace(WELL.ionmesh, assignment=card, assignment_source="IonMesh"))
    sim = await ask("sim", state)
    assert (sim["modems"]["primary"]["source"], sim["modems"]["primary"]["cause"]) == ("remote", "assigned")
    assert sim["rspro"]["state"] == "operational"
    assert (sim["assignment"]["slot_id"], sim["assignment_source"]) == (3, "IonMesh")


async def test_a_configuration_is_checked_where_it_lies_and_as_text(tmp_path: Path) -> None:
    path = tmp_path / "remsim"
    path.write_text("config remsim 'main'\n\toption enabled '0'\n\toption typo '1'\n")
    answer = await ask("config.check", WELL, path)
    assert (answer["ok"], answer["mistakes"], len(answer["warnings"])) == (True, [], 1)
    answer = await ask("config.check", WELL, path, text="config failover\n\toption down '0'\n")
    (mistake,) = answer["mistakes"]
    assert not answer["ok"]
    assert (mistake["section"], mistake["option"], mistake["line"]) == ("@failover[0]", "down", 2)
    assert mistake["text"].startswith("@failover[0].down = '0': ")
    answer = await ask("config.check", WELL, tmp_path / "absent")
    assert "cannot be read" in answer["mistakes"][0]["text"]


def a_key_for_everybody(folder: Path) -> str:
    key = folder / "api-key"
    key.touch(mode=0o644)
    return f"config ionmesh\n\toption api_key_file '{key}'\n"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_key_for_everybody, "every user of the router may read or write the key; chmod 600"),
        (lambda _: "config alert 'a'\n\toption metric '\udc80'\n", "is not UTF-8 text"),
        (lambda _: "#" * ((1 << 20) + 1), "is larger than 1048576 bytes"),
        (lambda _: "config remsim 'main'\n\toption enabled '1'\n", "at least one modem section"),
    ],
)
async def test_a_text_is_judged_as_the_file_it_would_be(
    tmp_path: Path, make: Callable[[Path], str], words: str
) -> None:
    path, text = tmp_path / "remsim", make(tmp_path)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    as_text, as_file = await ask("config.check", WELL, path, text=text), await ask("config.check", WELL, path)
    assert as_text == as_file
    assert words in as_text["mistakes"][0]["text"]


async def test_all_is_well() -> None:
    answer = await ask("test", WELL)
    assert answer["ok"]
    assert [check["name"] for check in answer["checks"]] == [
        "config", "modem primary", "link primary", "bank", "ionmesh"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "name", "text"),
    [
        ({"config_mistakes": ("main.x: no",)}, "config", "main.x: no"),
        (
            {"rspro": RsproView(remote.RsproState.WAIT_BANKD, "10.0.0.1:9999")},
            "bank",
            "wait-bankd 10.0.0.1:9999",
        ),
        ({"ionmesh": IonmeshView(ionmesh_events.IonmeshState.REFUSED, "key")}, "ionmesh", "refused key"),
        ({"parts": {"finder": PartView(False, "no netlink", 3)}}, "part finder", "no netlink"),
        (
            {"links": {"primary": LinkState(name="primary", health=ev.LinkHealth.DOWN, cause="no answer")}},
            "link primary",
            "down: no answer",
        ),
        (
            {"modems": {"m": ModemState(name="m", role=Role.PRIMARY, port="/dev/ttyUSB2")}},
            "modem m",
            "on /dev/ttyUSB2, network: unknown",
        ),
    ],
)
def test_what_is_not_well_is_named_with_its_reason(change: dict[str, Any], name: str, text: str) -> None:
    wrong = [check for check in checks(replace(WELL, **change)) if not check.ok]
    assert [(check.name, check.text) for check in wrong] == [(name, text)]


def test_modems_not_found_yet_are_not_well() -> None:
    state = start(Config(modems=(ModemConfig(name="primary"),)), 0.0)
    wrong = {check.name: check.text for check in checks(state) if not check.ok}
    assert wrong == {"modem primary": "not found yet", "link primary": "unknown: not measured yet"}
