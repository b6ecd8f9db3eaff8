"""The event script: a program of the operator's that hears what happens to the remote card.

It gets the cause as its only argument and the REMSIM_* environment that scripts for
osmo-remsim-client expect. Runs are serialised, in the order of the events; a run that takes
too long is ended, and its result changes nothing here.
"""

import asyncio
import logging
import os
from functools import singledispatch
from typing import Any

from remsimd import __version__
from remsimd import events as ev
from remsimd.bus import Bus
from remsimd.config.model import FrontendConfig, SimSource
from remsimd.programs import running
from remsimd.rspro import events as remote
from remsimd.sim.frontend import SlotStatus
from remsimd.state import State
from remsimd.store import Store

log = logging.getLogger(__name__)

RUN_WITHIN_S = 30.0
INHERITED = ("PATH", "HOME", "LANG", "TZ")
NOBODY = "(null):0"
"""What the deployed client calls a bankd it does not know yet."""


@singledispatch
def causes(event: ev.Event) -> tuple[str, ...]:
    """The causes that an event is to the script, in the order of the runs."""
    return ()


@causes.register
def _(event: remote.RsproLinkChanged) -> tuple[str, ...]:
    return (f"event-{event.peer}-{'connect' if event.up else 'lost'}",)


@causes.register
def _(event: remote.RsproStateChanged) -> tuple[str, ...]:
    return ("event-config-bankd",) if event.state is remote.RsproState.WAIT_BANKD else ()


@causes.register
def _(event: ev.SimSwitching) -> tuple[str, ...]:
    if event.to is SimSource.REMOTE:
        return ("request-sim-remote", "request-card-insert", "request-modem-reset")
    return ("request-card-remove", "request-sim-local", "request-modem-reset")


@causes.register
def _(event: remote.SlotContactsChanged) -> tuple[str, ...]:
    return ("event-modem-status",)


def environment(
    state: State, cause: str, frontend: FrontendConfig | None, contacts: SlotStatus | None = None
) -> dict[str, str]:
    """The REMSIM_* variables; one that nobody knows the value of is left out.

    `contacts` are those of the event where it is about them: a run may begin when they have
    changed again, and a script must see each change.
    """
    card = state.ionmesh.assignment
    server, bankd = state.rspro.peers.get("server"), state.rspro.peers.get("bankd")
    known: dict[str, Any] = {
        "REMSIM_CLIENT_VERSION": __version__,
        "REMSIM_SERVER_ADDR": NOBODY if server is None else server.endpoint,
        "REMSIM_BANKD_ADDR": NOBODY if bankd is None else bankd.endpoint,
        "REMSIM_SERVER_STATE": "CONNECTED" if server is not None and server.up else "REESTABLISH",
        "REMSIM_BANKD_STATE": "CONNECTED" if bankd is not None and bankd.up else "REESTABLISH",
        "REMSIM_CAUSE": cause,
    }
    if card is not None:
        known["REMSIM_CLIENT_SLOT"] = f"{card.client_id}:{card.client_slot}"
        if card.bank_id is not None:
            known["REMSIM_BANKD_SLOT"] = f"{card.bank_id}:{card.slot_id}"
    if contacts is not None:
        levels = (contacts.vcc_present, contacts.reset_active, contacts.clk_active)
        names = ("REMSIM_SIM_VCC", "REMSIM_SIM_RST", "REMSIM_SIM_CLK")
        known.update((name, None if on is None else int(on)) for name, on in zip(names, levels, strict=True))
    if frontend is not None:
        known["REMSIM_USB_PATH"] = frontend.usb_path
        known["REMSIM_USB_INTERFACE"] = frontend.usb_interface
    return {name: str(value) for name, value in known.items() if value is not None}


class EventScript:
    """Runs the script at `path` for every event that is a cause."""

    def __init__(self, path: str, *, bus: Bus, store: Store, frontend: FrontendConfig | None) -> None:
        self._path = path
        self._bus = bus
        self._store = store
        self._frontend = frontend

    async def run(self) -> None:
        """Follow the events until cancelled. Raises OSError when the script cannot be run."""
        contacts: SlotStatus | None = None
        with self._bus.follow() as follower:
            async for stamped in follower:
                if isinstance(stamped.event, remote.SlotContactsChanged):
                    contacts = stamped.event.contacts
                for cause in causes(stamped.event):
                    await self._call(cause, contacts)

    async def _call(self, cause: str, contacts: SlotStatus | None) -> None:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        env = {**inherited, **environment(self._store.now, cause, self._frontend, contacts)}
        try:
            async with (
                running(self._path, cause, env=env, group=True, stdin=asyncio.subprocess.DEVNULL) as script,
                asyncio.timeout(RUN_WITHIN_S),
            ):
                status = await script.wait()
        except TimeoutError:
            log.warning("%s %s took longer than %.0f s and was ended", self._path, cause, RUN_WITHIN_S)
            return
        level = logging.WARNING if status else logging.DEBUG
        log.log(level, "%s %s ended with status %d", self._path, cause, status)
