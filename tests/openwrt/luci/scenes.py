"""States in which a person may find the router: real ones, made of events by the daemon's own reducer.

Each scene is what `status` and `alerts.list` answer then. `screenshots` and the tests of the
Overview show them; a scene in which no daemon of ours answers has what its ubus object says instead.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from modems.facts import (
    Cell,
    Identity,
    Registration,
    RegistrationState,
    Signal,
    Sim,
    SimState,
    Technology,
    Temperature,
)
from remsimd import events as ev
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Stamped
from remsimd.config.model import AlertConfig, Config, ModemConfig, Role, SimSource
from remsimd.control import report
from remsimd.observe.alerting import condition
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as rspro
from remsimd.state import start
from remsimd.store import Store
from tests.openwrt.luci.rpcd import METHOD_NOT_FOUND, OK, Answer, NoObjectError

NOW_S = 1_764_000_000.0
STARTED_S = NOW_S - 3 * 86400.0
LATELY_S = NOW_S - 95.0
MB = 1_000_000

CONFIG = Config(
    modems=(
        ModemConfig(name="primary", role=Role.PRIMARY, sim=SimSource.REMOTE, interface="wwan0"),
        ModemConfig(name="secondary", role=Role.SECONDARY, interface="wwan1"),
    )
)
CARD = Assignment(
    client_id=7,
    client_slot=0,
    bank_id=1,
    slot_id=12,
    server=Endpoint("bank.example.com", 9998),
    bankd=Endpoint("bank.example.com", 9999),
    iccid="8988211054330120007",
)
WEAK = AlertConfig(name="weak_signal", metric="remsim_signal_rsrp_dbm", below=-115.0, for_s=600)
HOT = AlertConfig(name="hot", metric="remsim_system_temperature_celsius", above=85.0, severity="critical")

Ubus = dict[str, Callable[[dict[str, Any]], Answer]]


@dataclass(frozen=True, slots=True)
class Scene:
    """What happened after all was well, which alerts fire, and what the Overview must say first."""

    says: str
    todo: str
    events: tuple[ev.Event, ...] = ()
    alerts: list[dict[str, Any]] = field(default_factory=list)
    ubus: Ubus | None = None


def answers(scene: Scene) -> Ubus:
    """What the daemon's object answers in a scene."""
    told = status(*scene.events)
    return scene.ubus or {
        "status": lambda _: (OK, told),
        "alerts_list": lambda _: (OK, {"result": scene.alerts}),
    }


def status(*events: ev.Event) -> dict[str, Any]:
    """The status of a router on which all went well for three days, and then these things happened."""
    store = Store(start(CONFIG, STARTED_S))
    for seq, event in enumerate((*before(), *events)):
        late = seq >= len(before())
        store.take(Stamped(seq + 1, LATELY_S if late else STARTED_S + 20, 0.0, event))
    return report.status(store.now, NOW_S)


def before() -> tuple[ev.Event, ...]:
    """How a router comes to be on the bank's card, its data on the primary link."""
    return (
        *_modem("primary", "RM500Q-GL", Technology.NR_NSA, -88.0, "8988211054330120007"),
        *_modem("secondary", "EC25", Technology.LTE, -101.0, "8949020000000000202"),
        ionmesh_events.IonmeshStateChanged(ionmesh_events.IonmeshState.REGISTERED, ""),
        ionmesh_events.Assigned(CARD, "IonMesh"),
        rspro.RsproLinkChanged("bankd", str(CARD.bankd), True, ""),
        rspro.CardAvailable(bytes.fromhex("3B9F96801FC78031A073BE21136743200718000001A5")),
        rspro.RsproStateChanged(rspro.RsproState.OPERATIONAL, ""),
        ev.SimSwitched("primary", SimSource.REMOTE, True, "the remote card is there", 4.2),
        ev.SimFound("secondary", SimSource.LOCAL),
        ev.LinkHealthChanged("primary", ev.LinkHealth.UP, "probes answer"),
        ev.LinkHealthChanged("secondary", ev.LinkHealth.UP, "probes answer"),
        ev.ActiveLinkChanged(None, "primary", "primary is up and preferred", 0.0),
        ev.DataSpent("secondary", 3 * MB, 50 * MB, False),
    )


def _modem(
    name: str, model: str, technology: Technology, rsrp_dbm: float, iccid: str
) -> tuple[ev.Event, ...]:
    identity = Identity("Quectel", model, "R11A06", "350000000000017")
    registration = Registration(RegistrationState.HOME, technology, "Example Mobile", "26201")
    return (
        ev.ModemFound(name, f"/dev/tty{model[:4]}"),
        ev.ModemIdentified(name, "quectel", identity),
        ev.SimRead(name, Sim(SimState.READY, iccid, "262010000000007")),
        ev.RegistrationRead(name, registration),
        ev.CellRead(name, Cell(technology, "26201", 0x2D0D, 0x1A2B303, 187, 1350, "B3", 20.0)),
        ev.SignalRead(name, Signal(technology, -63.0, rsrp_dbm, -11.0, 13.0)),
        ev.TemperatureRead(name, (Temperature("mdmss", 44.0),)),
    )


def firing(config: AlertConfig, subject: str, value: float, **more: Any) -> dict[str, Any]:
    """An alert that fires for one thing, as `alerts.list` has it."""
    standing = {"subject": subject, "phase": "firing", "for_s": 754.0, "value": value}
    return {
        "alert": config.name,
        "metric": config.metric,
        "severity": config.severity,
        "condition": condition(config),
        "muted_for_s": more.pop("muted_for_s", 0.0),
        "standings": [{**standing, "acknowledged": False, **more}],
    }


def _nobody(_: dict[str, Any]) -> Answer:
    raise NoObjectError("remsim")


_DOWN = ev.LinkHealthChanged("primary", ev.LinkHealth.DOWN, "3 rounds without an answer")
_MOVED = ev.ActiveLinkChanged("primary", "secondary", "primary is down: 3 rounds without an answer", 0.03)
_GONE = (
    ev.ModemGone("primary", "unplugged"),
    ev.LinkHealthChanged("primary", ev.LinkHealth.DOWN, "modem gone: unplugged"),
    ev.ActiveLinkChanged("primary", "secondary", "primary is down: modem gone: unplugged", 0.02),
)
_LOCAL_AGAIN = ev.SimSwitched("primary", SimSource.LOCAL, True, "no card is assigned", 5.0)

SCENES = {
    "well": Scene(
        "All is well: primary uses the remote card, the data goes over primary",
        "Nothing needs to be done",
        alerts=[{**firing(WEAK, "primary", -88.0), "standings": []}],
    ),
    "no-card": Scene(
        "IonMesh has no card for this router: no free slot",
        "Free a slot in IonMesh",
        (
            ionmesh_events.Assigned(None, "IonMesh"),
            rspro.RsproStateChanged(rspro.RsproState.IDLE, ""),
            ionmesh_events.IonmeshStateChanged(ionmesh_events.IonmeshState.NO_SLOT, "no free slot"),
            _LOCAL_AGAIN,
            ev.SimRead("primary", Sim(SimState.READY, "8949020000000000101", "262020000000101")),
        ),
    ),
    "empty-slot": Scene(
        "No card answers in the SIM bank",
        "Check that a card sits in bank 1 slot 12",
        (
            rspro.CardLost("the bankd has no card there"),
            rspro.RsproStateChanged(rspro.RsproState.WAIT_ATR, ""),
        ),
    ),
    "bank-away": Scene(
        "The SIM bank bank.example.com:9999 does not answer: connection refused",
        "Check that the bank runs",
        (
            rspro.RsproLinkChanged("bankd", str(CARD.bankd), False, "connection refused"),
            rspro.CardLost("the bankd is gone"),
            rspro.RsproStateChanged(rspro.RsproState.WAIT_BANKD, "connection refused"),
        ),
    ),
    "ionmesh-away": Scene(
        "IonMesh does not answer: no answer within 10 s",
        "The assigned card goes on being used",
        (
            ionmesh_events.IonmeshStateChanged(
                ionmesh_events.IonmeshState.UNREACHABLE, "no answer within 10 s"
            ),
        ),
    ),
    "failover": Scene(
        "The data goes over secondary instead of the primary modem: primary is down: 3 rounds",
        "It moves back by itself",
        (_DOWN, _MOVED),
    ),
    "modem-missing": Scene(
        "primary is not there: unplugged",
        "Check its plug and its power",
        _GONE,
    ),
    "recovery": Scene(
        "primary is being brought back by “radio-cycle”: 3 rounds without an answer",
        "Wait: each step takes up to some minutes",
        (_DOWN, _MOVED, ev.RecoveryStarted("primary", ev.RecoveryAction.RADIO_CYCLE, _DOWN.cause)),
    ),
    "switching": Scene(
        "primary is moving to the local card: asked for",
        "Wait some seconds",
        (ev.SimSwitching("primary", SimSource.LOCAL, "asked for"),),
    ),
    "budget": Scene(
        "secondary has used 46.0 MB of the 50.0 MB that remsimd may send over it",
        "raise “data limit” in the settings",
        (ev.DataSpent("secondary", 46 * MB, 50 * MB, True),),
    ),
    "alerts": Scene(
        "Alerts that fire: weak_signal (secondary), hot (primary mdmss)",
        "says what to do about each",
        alerts=[
            firing(WEAK, "secondary", -118.0),
            firing(HOT, "primary mdmss", 91.0),
            firing(HOT, "secondary mdmss", 86.0, acknowledged=True, muted_for_s=3000.0),
        ],
    ),
    "stopped": Scene(
        "remsimd does not run or does not answer",
        "Enable it under General in the settings",
        ubus={"status": _nobody, "alerts_list": _nobody},
    ),
    "too-old": Scene(
        "remsimd is older than these pages",
        "Install remsimd and luci-app-remsimd of one version",
        ubus={
            "status": lambda _: (METHOD_NOT_FOUND, None),
            "alerts_list": lambda _: (METHOD_NOT_FOUND, None),
        },
    ),
    "too-new": Scene(
        "remsimd 9.0 answers in a way that these pages do not know",
        "Install remsimd and luci-app-remsimd of one version",
        ubus={
            "status": lambda _: (OK, {"version": "9.0", "routers": []}),
            "alerts_list": lambda _: (OK, {"result": []}),
        },
    ),
}
