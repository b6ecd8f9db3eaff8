"""How each event changes what is known: pure, one small function an event."""

from dataclasses import replace
from functools import singledispatch
from typing import Any

from remsimd import events as ev
from remsimd.config.model import SimSource
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote
from remsimd.state import PartView, RsproPeer, State


@singledispatch
def reduce(event: ev.Event, state: State, at_s: float) -> State:
    """The state after `event`, which happened at `at_s`; an event nobody cares about changes nothing."""
    return state


def _modem(state: State, name: str, **changes: Any) -> State:
    modem = state.modems.get(name)
    if modem is None:
        return state
    return replace(state, modems={**state.modems, name: replace(modem, **changes)})


def _count(state: State, name: str, counter: str) -> State:
    modem = state.modems.get(name)
    return state if modem is None else _modem(state, name, **{counter: getattr(modem, counter) + 1})


@reduce.register
def _(event: ev.ModemFound, state: State, at_s: float) -> State:
    known = state.modems.get(event.modem)
    again = known is not None and known.since_s is not None
    state = _modem(state, event.modem, port=event.port, reason="", since_s=at_s)
    return _count(state, event.modem, "reconnects") if again else state


@reduce.register
def _(event: ev.ModemGone, state: State, at_s: float) -> State:
    return _modem(
        state,
        event.modem,
        port=None,
        reason=event.reason,
        sim=None,
        registration=None,
        signal=None,
        cell=None,
        temperatures=(),
    )


@reduce.register
def _(event: ev.ModemIdentified, state: State, at_s: float) -> State:
    return _modem(state, event.modem, driver=event.driver, identity=event.identity)


@reduce.register
def _(event: ev.SimRead, state: State, at_s: float) -> State:
    return _modem(state, event.modem, sim=event.sim)


@reduce.register
def _(event: ev.RegistrationRead, state: State, at_s: float) -> State:
    return _modem(state, event.modem, registration=event.registration)


@reduce.register
def _(event: ev.SignalRead, state: State, at_s: float) -> State:
    return _modem(state, event.modem, signal=event.signal)


@reduce.register
def _(event: ev.CellRead, state: State, at_s: float) -> State:
    return _modem(state, event.modem, cell=event.cell)


@reduce.register
def _(event: ev.TemperatureRead, state: State, at_s: float) -> State:
    return _modem(state, event.modem, temperatures=event.temperatures)


@reduce.register
def _(event: ev.AtTimings, state: State, at_s: float) -> State:
    modem = state.modems.get(event.modem)
    if modem is None or not event.timeouts:
        return state
    return _modem(state, event.modem, at_timeouts=modem.at_timeouts + event.timeouts)


@reduce.register
def _(event: ev.RecoveryStarted, state: State, at_s: float) -> State:
    return _modem(state, event.modem, recovering=event.action, recovery_cause=event.cause)


@reduce.register
def _(event: ev.RecoveryEnded, state: State, at_s: float) -> State:
    return _modem(state, event.modem, recovering=None)


def _grown(before: int | None, now: int) -> int:
    """What passed between two readings of a device's counter; a new device counts from nothing."""
    if before is None:
        return 0
    return now - before if now >= before else now


def _link(state: State, name: str, **changes: Any) -> State:
    link = state.links.get(name)
    if link is None:
        return state
    return replace(state, links={**state.links, name: replace(link, **changes)})


@reduce.register
def _(event: ev.LinkHealthChanged, state: State, at_s: float) -> State:
    return _link(state, event.link, health=event.health, cause=event.cause, since_s=at_s)


@reduce.register
def _(event: ev.TrafficRead, state: State, at_s: float) -> State:
    link, modem = state.links.get(event.link), state.modems.get(event.link)
    over_the_card: dict[str, int] = {}
    if link is not None and modem is not None and modem.sim_source is SimSource.REMOTE:
        over_the_card = {
            "remote_rx_bytes": link.remote_rx_bytes + _grown(link.rx_bytes, event.rx_bytes),
            "remote_tx_bytes": link.remote_tx_bytes + _grown(link.tx_bytes, event.tx_bytes),
        }
    return _link(state, event.link, rx_bytes=event.rx_bytes, tx_bytes=event.tx_bytes, **over_the_card)


@reduce.register
def _(event: ev.DataSpent, state: State, at_s: float) -> State:
    return _link(state, event.link, spent_bytes=event.spent_bytes, limit_bytes=event.limit_bytes)


@reduce.register
def _(event: ev.ActiveLinkChanged, state: State, at_s: float) -> State:
    failovers = dict(state.failovers)
    if event.previous is not None and event.active is not None:
        way = (event.previous, event.active)
        failovers[way] = failovers.get(way, 0) + 1
    return replace(
        state,
        active_link=event.active,
        active_cause=event.cause,
        active_since_s=at_s,
        failovers=failovers,
    )


@reduce.register
def _(event: ev.SimFound, state: State, at_s: float) -> State:
    return _modem(state, event.modem, sim_source=event.source)


@reduce.register
def _(event: ev.SimSwitching, state: State, at_s: float) -> State:
    return _modem(state, event.modem, sim_switching_to=event.to, sim_cause=event.cause)


@reduce.register
def _(event: ev.SimSwitched, state: State, at_s: float) -> State:
    state = _modem(state, event.modem, sim_switching_to=None, sim_source=event.source, sim_cause=event.cause)
    return _count(state, event.modem, "sim_switches") if event.ok else state


@reduce.register
def _(event: remote.TpduRelayed, state: State, at_s: float) -> State:
    state = replace(state, rspro=replace(state.rspro, last_tpdu_s=event.took_s))
    return _count(state, event.modem, "tpdus")


@reduce.register
def _(event: remote.TpduFailed, state: State, at_s: float) -> State:
    return _count(state, event.modem, "tpdu_errors")


@reduce.register
def _(event: remote.Authenticated, state: State, at_s: float) -> State:
    return _count(state, event.modem, "authentications_ok" if event.ok else "authentications_failed")


@reduce.register
def _(event: remote.RsproStateChanged, state: State, at_s: float) -> State:
    view = replace(state.rspro, state=event.state, detail=event.detail, since_s=at_s)
    return replace(state, rspro=view)


@reduce.register
def _(event: remote.RsproLinkChanged, state: State, at_s: float) -> State:
    known = state.rspro.peers.get(event.peer)
    connects = (0 if known is None else known.connects) + int(event.up)
    peer = RsproPeer(event.endpoint, event.up, at_s, event.detail, connects)
    return replace(state, rspro=replace(state.rspro, peers={**state.rspro.peers, event.peer: peer}))


@reduce.register
def _(event: remote.CardAvailable, state: State, at_s: float) -> State:
    return replace(state, rspro=replace(state.rspro, atr=event.atr))


@reduce.register
def _(event: remote.CardLost, state: State, at_s: float) -> State:
    return replace(state, rspro=replace(state.rspro, atr=None))


@reduce.register
def _(event: ionmesh_events.IonmeshStateChanged, state: State, at_s: float) -> State:
    view = replace(state.ionmesh, state=event.state, detail=event.detail, since_s=at_s)
    return replace(state, ionmesh=view)


@reduce.register
def _(event: ionmesh_events.Assigned, state: State, at_s: float) -> State:
    view = replace(state.ionmesh, assignment=event.assignment, assignment_source=event.source)
    return replace(state, ionmesh=view)


@reduce.register
def _(event: ionmesh_events.HeartbeatSent, state: State, at_s: float) -> State:
    view = replace(
        state.ionmesh,
        last_heartbeat_s=at_s,
        heartbeat_link=event.link,
        heartbeats=state.ionmesh.heartbeats + 1,
    )
    return replace(state, ionmesh=view)


@reduce.register
def _(event: ev.PartRunning, state: State, at_s: float) -> State:
    failures = state.parts[event.part].failures if event.part in state.parts else 0
    return replace(state, parts={**state.parts, event.part: PartView(True, "", failures)})


@reduce.register
def _(event: ev.PartFailed, state: State, at_s: float) -> State:
    failures = state.parts[event.part].failures if event.part in state.parts else 0
    return replace(state, parts={**state.parts, event.part: PartView(False, event.reason, failures + 1)})


@reduce.register
def _(event: ev.ConfigApplied, state: State, at_s: float) -> State:
    return replace(state, config_mistakes=())


@reduce.register
def _(event: ev.ConfigRejected, state: State, at_s: float) -> State:
    return replace(state, config_mistakes=event.mistakes)
