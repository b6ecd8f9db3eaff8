"""`remsimctl` as a person types it, against a control socket with a story behind it."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modems.facts import Identity, Registration, RegistrationState, Signal, Sim, SimState, Technology
from remsimd import events as ev
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Bus
from remsimd.cli import show
from remsimd.cli.client import ControlClient
from remsimd.cli.control import main
from remsimd.config.model import Config, ModemConfig, Role, SimSource
from remsimd.control import cards, overview, recorded
from remsimd.control.methods import table
from remsimd.control.socket import ControlSocket
from remsimd.errors import ControlError
from remsimd.observe.eventlog import EventLog
from remsimd.observe.queries import Point, Search, Wanted
from remsimd.orchestrator.events import (
    Assigned,
    HeartbeatSent,
    IonmeshState,
    IonmeshStateChanged,
)
from remsimd.rspro import events as remote
from remsimd.state import start
from remsimd.store import Store
from tests.control.test_socket import Doer

MODEMS = (
    ModemConfig(name="primary", interface="wan5g", sim=SimSource.REMOTE),
    ModemConfig(name="iot", role=Role.SECONDARY, interface="wan_iot", data_limit_mb=10),
)
CARD = Assignment(
    client_id=1, client_slot=0, bank_id=3, slot_id=7, server=Endpoint("192.0.2.1", 9998), iccid="8949"
)
STORY: tuple[ev.Event, ...] = (
    ev.ModemFound("primary", "/dev/ttyUSB2"),
    ev.ModemIdentified("primary", "quectel", Identity("Quectel", "RM500Q-GL", "R11", None)),
    ev.RegistrationRead(
        "primary", Registration(RegistrationState.ROAMING, Technology.NR_SA, "Example Mobile")
    ),
    ev.SignalRead("primary", Signal(Technology.NR_SA, rsrp_dbm=-93.0)),
    ev.SimRead("primary", Sim(SimState.READY, "8949000000000000123", "262010000000042")),
    ev.SimFound("primary", SimSource.LOCAL),
    ev.ModemGone("iot", "unplugged"),
    ev.LinkHealthChanged("primary", ev.LinkHealth.UP, "answers come back"),
    ev.LinkHealthChanged("iot", ev.LinkHealth.DOWN, "modem gone: unplugged"),
    ev.ActiveLinkChanged(None, "primary", "primary is up", 0.01),
    ev.DataSpent("iot", 1_200_000, 10_000_000, False),
    remote.RsproStateChanged(remote.RsproState.WAIT_ATR, "the bank has no card for us yet"),
    remote.RsproLinkChanged("server", "192.0.2.1:9998", True, ""),
    remote.CardAvailable(bytes.fromhex("3B00")),
    IonmeshStateChanged(IonmeshState.REGISTERED, ""),
    Assigned(CARD, "ionmesh"),
    HeartbeatSent("primary", 0.2),
    ev.PartFailed("metrics", "the port is taken", 60.0),
    ev.ConfigRejected(("failover.down = '0': allowed: 1 to 100",)),
)


@dataclass
class Router(Doer):
    """What is asked of the daemon; a wish for a card is fulfilled, or refused where `refuses` says so."""

    bus: Bus
    refuses: bool = False
    asked: list[str] = field(default_factory=list)

    def failover_explain(self) -> dict[str, Any]:
        link = {"name": "primary", "priority": 200, "health": "up", "cause": "answers", "standing": "carries"}
        return {
            "active": "primary",
            "why": "primary is up and preferred",
            "for_s": 90.0,
            "pinned": "primary",
            "next_change_in_s": 45.0,
            "route_error": "ip: not permitted",
            "links": [link],
        }

    def sim_use(self, modem: str | None, mode: str) -> str:
        to = SimSource.LOCAL if mode == "local" else SimSource.REMOTE
        self.asked.append(mode)
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, self.bus.publish, ev.SimSwitching("primary", to, "asked for"))
        source = SimSource.LOCAL if self.refuses else to
        ended = ev.SimSwitched("primary", source, not self.refuses, "no card read", 1.0)
        loop.call_later(0.1, self.bus.publish, ended)
        return f"primary: SIM {mode}; follow with `remsimctl events -f`"

    def take_back(self, modem: str | None) -> str:
        return self.sim_use(modem, "local")

    async def select_slot(self, modem: str | None, slot: int) -> str:
        return f"{modem} uses its SIM slot {slot}"

    async def test(self) -> dict[str, Any]:
        return {"atr": b"\x3b\x00", "iccid": "8949", "imsi": None, "read_by": "test", "took_s": 0.42}

    def ionmesh_commands(self) -> list[dict[str, Any]]:
        return [
            {
                "id": "c1",
                "type": "restart",
                "state": "done",
                "told": True,
                "detail": "restarting\nmore",
                "received_s": 0.0,
            }
        ]


class Recording:
    """A history of two points and one event, and one alert."""

    def history(self) -> "Recording":
        return self

    def alerts(self) -> "Recording":
        return self

    async def ask(self, question: Any) -> Any:
        return question(self)

    def series(self) -> tuple[tuple[str, str], ...]:
        return (("rsrp", "primary"), ("latency", "iot"))

    def points(self, wanted: Wanted) -> tuple[Point, ...]:
        values = ((0, -90.0), (60, -100.0))
        return tuple(
            Point(at_s, "rsrp", "primary", value - 1, value + 1, value, value)
            for at_s, value in values
            if "rsrp" in wanted.metrics
        )

    def events(self, search: Search) -> list[dict[str, object]]:
        entry = {"seq": 1, "wall_s": 0.0, "severity": "warning", "subject": "primary"}
        return [{**entry, "kind": search.kind or "link", "text": "recorded long ago"}]

    async def usage(self) -> dict[str, Any]:
        return {"iot": {"today": {"rx_bytes": 1_000_000, "tx_bytes": 500_000}}}

    def listing(self) -> list[dict[str, Any]]:
        firing = {"subject": "iot", "phase": "firing", "for_s": 70.0, "value": 0.97, "acknowledged": True}
        known = {"metric": "remsim_x", "severity": "warning", "condition": "above 0.9", "muted_for_s": 60.0}
        return [
            {"alert": "plan", **known, "standings": [firing]},
            {"alert": "heat", **known, "muted_for_s": 0.0, "standings": []},
        ]

    def acknowledge(self, alert: str, subject: str | None) -> str:
        return f"{alert}: {subject} acknowledged"

    def mute(self, alert: str, minutes: int) -> str:
        return f"{alert} is muted for {minutes} min"


@asynccontextmanager
async def served(path: Path, *, refuses: bool = False) -> AsyncIterator[Router]:
    bus, eventlog = Bus(), EventLog()
    store = Store(start(Config(modems=MODEMS), 1000.0))
    router = Router(bus, refuses)
    methods = {
        **table(store, eventlog, router),
        **overview.table(store, path),
        **recorded.table(Recording()),  # type: ignore[arg-type] # it answers like both parts
        **cards.table(router),
    }
    task = asyncio.create_task(ControlSocket(path, methods, eventlog).run())
    with bus.listen(store.take), bus.listen(eventlog.take):
        for event in STORY:
            bus.publish(event)
        async with asyncio.timeout(20):
            while not path.exists():
                await asyncio.sleep(0.01)
            yield router
    task.cancel()
    await asyncio.wait((task,))


async def typed(path: Path, *words: str, refuses: bool = False) -> Result:
    async with served(path, refuses=refuses):
        return await asyncio.to_thread(CliRunner().invoke, main, ["--socket", str(path), *words])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "status",
            [
                "data uses primary",
                "Example Mobile (nr-sa, roaming)",
                "RSRP -93 dBm",
                "gone: unplugged",
                "metrics failed: the port is taken",
                "new configuration refused: failover.down",
                "wait-atr (the bank has no card for us yet), bank 3 slot 7; server 192.0.2.1:9998 up",
                "registered; heartbeat",
            ],
        ),
        ("failover", ["Data uses primary for 2 min, pinned", "this changes in 45 s", "ip: not permitted"]),
        ("failover status", ["active", "1.2 of 10 MB", "no limit"]),
        ("failover to secondary", ["using secondary"]),
        ("failover auto", ["automatic"]),
        ("failover history", ["data uses primary"]),
        ("events --last 1", ["configuration refused"]),
        ("events --kind failover --severity info", ["data uses primary"]),
        ("events --range 30d", ["recorded long ago"]),
        (
            "ionmesh",
            ["registered", "bank_id       3", "server        192.0.2.1:9998", "given by      ionmesh"],
        ),
        ("ionmesh commands", ["restart  done   yes   c1  restarting"]),
        ("ionmesh unregister", ["unregistered"]),
        ("reload", ["nothing changed"]),
        ("sim", ["primary  local", "8949000000000000123", "ATR         3B00"]),
        ("sim test", ["ATR   3B00", "IMSI  -", "read in 0.42 s, no modem involved"]),
        ("sim slot 2 --modem iot", ["iot uses its SIM slot 2"]),
        ("history", ["rsrp", "-101", "-89", "1.5 MB"]),
        ("alerts", ["firing (acknowledged)", "(muted for 1 min)", "no value"]),
        ("alerts ack plan --modem iot", ["plan: iot acknowledged"]),
        ("alerts mute plan --for 2h", ["plan is muted for 120 min"]),
        ("alerts history", ["recorded long ago"]),
    ],
)
async def test_what_is_printed(path: Path, words: str, said: list[str]) -> None:
    result = await typed(path, *words.split())
    assert result.exit_code == 0, result.output
    for text in said:
        assert text in result.output


@pytest.mark.parametrize(
    "words",
    [
        *("status", "failover", "failover explain", "failover status", "failover history", "events"),
        *("ionmesh", "ionmesh commands", "sim", "sim test", "history", "alerts", "alerts history"),
    ],
)
async def test_everything_is_there_as_json(path: Path, words: str) -> None:
    result = await typed(path, *words.split(), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)


async def test_recorded_values_are_exported(path: Path) -> None:
    table_ = list(csv.DictReader((await typed(path, "export", "--metrics", "rsrp")).output.splitlines()))
    assert [row["average"] for row in table_] == ["-90.0", "-100.0"]
    lines = json.loads((await typed(path, "export", "--format", "json", "--modem", "primary")).output)
    assert [line["time"] for line in lines] == ["1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("ionmesh register", "remsimctl: POST https://ionmesh.example.com: Connection refused"),
        ("failover to wan9", "remsimctl: no link 'wan9'"),
        ("export --metrics magic", "'magic' is not recorded; recorded: latency, rsrp"),
        ("history --range soon", "'soon' is not a time like 90m, 24h or 30d"),
        ("events --last 0", "0 is not in the range x>=1"),
    ],
)
async def test_a_refusal_is_said_and_is_the_exit_status(path: Path, words: str, said: str) -> None:
    result = await typed(path, *words.split())
    assert result.exit_code in (1, 2)
    assert said in result.output


@pytest.mark.parametrize(
    ("words", "asked"),
    [("use local", "local"), ("use remote", "remote"), ("local", "local"), ("auto", "auto")],
)
async def test_it_ends_when_the_modem_is_on_its_card(path: Path, words: str, asked: str) -> None:
    async with served(path) as router:
        router.bus.publish(ev.SimSwitched("primary", SimSource.REMOTE, True, "start", 1.0))
        if asked != "local":
            router.bus.publish(ev.SimSwitched("primary", SimSource.LOCAL, True, "start", 1.0))
        invoke = ["--socket", str(path), "sim", *words.split(), "--wait", "10"]
        result = await asyncio.to_thread(CliRunner().invoke, main, invoke)
    assert result.exit_code == 0, result.output
    assert router.asked == [asked]


async def test_a_switch_that_fails_is_the_exit_status(path: Path) -> None:
    result = await typed(path, "sim", "use", "remote", "--wait", "10", refuses=True)
    assert result.exit_code == 1
    assert "no card read" in result.output


async def test_a_card_that_does_not_come_is_explained(path: Path) -> None:
    async with served(path) as router:
        router.sim_use = lambda modem, mode: "waiting"  # type: ignore[method-assign] # nothing happens
        invoke = ["--socket", str(path), "sim", "use", "remote", "--wait", "1"]
        result = await asyncio.to_thread(CliRunner().invoke, main, invoke)
    assert result.exit_code == 1
    assert "no remote card within 1 s: wait-atr (the bank has no card for us yet)" in result.output


def test_without_a_daemon_it_is_asked_whether_one_runs(path: Path) -> None:
    result = CliRunner().invoke(main, ["--socket", str(path), "status"])
    assert result.exit_code == 1
    assert "is it running?" in result.output


@pytest.mark.parametrize(
    ("answer", "words"), [(b"", "did not answer within"), (b"[]\n", "something else than an object")]
)
async def test_a_daemon_that_says_nothing_is_given_up(path: Path, answer: bytes, words: str) -> None:
    done = asyncio.Event()

    async def served_badly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        await done.wait()
        writer.close()

    def ask() -> None:
        with ControlClient(path, answer_within_s=0.2) as client:
            client.call("status")

    server = await asyncio.start_unix_server(served_badly, str(path))
    with pytest.raises(ControlError, match=words):
        await asyncio.to_thread(ask)
    done.set()
    server.close()


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(12.4, "12 s"), (150, "2 min"), (7500, "2 h 05 min"), (273_600, "3 d 4 h")],
)
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert show.duration(seconds) == said


async def test_a_modem_on_its_way_and_one_without_a_network(path: Path) -> None:
    async with served(path) as router:
        router.bus.publish(ev.SimSwitching("primary", SimSource.REMOTE, "the remote card is there"))
        searching = Registration(RegistrationState.SEARCHING)
        router.bus.publish(ev.RegistrationRead("primary", searching))
        router.bus.publish(ev.SignalRead("primary", Signal(Technology.GSM, rssi_dbm=-71.0)))
        router.bus.publish(IonmeshStateChanged(IonmeshState.UNREACHABLE, "no answer"))
        invoke = ["--socket", str(path)]
        status = await asyncio.to_thread(CliRunner().invoke, main, [*invoke, "status"])
        sim = await asyncio.to_thread(CliRunner().invoke, main, [*invoke, "sim"])
    for text in ("searching", "RSSI -71 dBm", "local, moving to remote", "unreachable (no answer)"):
        assert text in status.output
    assert "local -> remote" in sim.output
