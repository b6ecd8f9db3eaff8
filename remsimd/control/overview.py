"""The control methods that answer one part of the state, and those that look for what is wrong."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remsimd import clock
from remsimd.config.load import load
from remsimd.config.model import Config, SimSource
from remsimd.control import report
from remsimd.control.methods import Method, Params
from remsimd.errors import ConfigError, Mistake
from remsimd.events import LinkHealth
from remsimd.orchestrator.events import IonmeshState
from remsimd.rspro.events import RsproState
from remsimd.state import State
from remsimd.store import Store


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what, whether it is as it should be, and how it is."""

    name: str
    ok: bool
    text: str


class Requests:
    """Serves each method of the table; `path` is the configuration file."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    async def modems(self, _: Params) -> Any:
        return report.status(self._store.now, clock.wall())["modems"]

    async def links(self, _: Params) -> Any:
        state = self._store.now
        return {
            "active": state.active_link,
            "cause": state.active_cause,
            "since_s": state.active_since_s,
            "links": report.plain(state.links),
        }

    async def sim(self, _: Params) -> Any:
        state = self._store.now
        cards = {
            name: {
                "source": modem.sim_source,
                "switching_to": modem.sim_switching_to,
                "cause": modem.sim_cause,
                "switches": modem.sim_switches,
                "card": modem.sim,
            }
            for name, modem in state.modems.items()
        }
        return report.plain(
            {
                "modems": cards,
                "rspro": state.rspro,
                "assignment": state.ionmesh.assignment,
                "assignment_source": state.ionmesh.assignment_source,
            }
        )

    async def config_check(self, params: Params) -> Any:
        mistakes: tuple[Mistake, ...] = ()
        warnings: tuple[str, ...] = ()
        text = params.get("text")
        try:
            config = load(self._path) if text is None else _load_text(text)
            warnings = tuple(map(str, config.warnings))
        except ConfigError as error:
            mistakes = error.mistakes
        found = [{**report.plain(mistake), "text": str(mistake)} for mistake in mistakes]
        return {"ok": not found, "path": str(self._path), "mistakes": found, "warnings": list(warnings)}

    async def test(self, _: Params) -> Any:
        found = tuple(checks(self._store.now))
        return {"ok": all(check.ok for check in found), "checks": report.plain(found)}


def _load_text(text: str) -> Config:
    """A text judged as the file it would be, in memory only: also by its size, coding and key file."""
    with os.fdopen(os.memfd_create("remsim"), "wb") as draft:
        draft.write(text.encode("utf-8", "surrogatepass"))
        draft.flush()
        return load(f"/proc/self/fd/{draft.fileno()}")


def checks(state: State) -> Iterator[Check]:
    """What a person who asks "does it work?" would look at, from the configuration to the orchestrator."""
    text = "; ".join(state.config_mistakes) or "no mistakes"
    yield Check("config", not state.config_mistakes, text)
    for name, modem in state.modems.items():
        if modem.port is None:
            yield Check(f"modem {name}", False, modem.reason)
        elif modem.registration is None or not modem.registration.state.registered:
            network = "unknown" if modem.registration is None else modem.registration.state
            yield Check(f"modem {name}", False, f"on {modem.port}, network: {network}")
        else:
            card = "" if modem.sim_source is None else f", {modem.sim_source} card"
            yield Check(f"modem {name}", True, f"on {modem.port}, registered{card}")
    for name, link in state.links.items():
        yield Check(f"link {name}", link.health is LinkHealth.UP, f"{link.health}: {link.cause}")
    if any(modem.sim_source is SimSource.REMOTE for modem in state.modems.values()):
        fine = state.rspro.state is RsproState.OPERATIONAL
        yield Check("bank", fine, f"{state.rspro.state} {state.rspro.detail}".strip())
    if state.ionmesh.state is not IonmeshState.OFF:
        fine = state.ionmesh.state is IonmeshState.REGISTERED
        yield Check("ionmesh", fine, f"{state.ionmesh.state} {state.ionmesh.detail}".strip())
    for name, part in state.parts.items():
        if not part.running:
            yield Check(f"part {name}", False, part.reason)


def table(store: Store, path: Path) -> dict[str, Method]:
    """Every method by name."""
    serve = Requests(store, path)
    return {
        "modems": Method({}, "The modems of `status`, by name.", serve.modems),
        "links": Method({}, "The link in use and why, and the links of `status`.", serve.links),
        "sim": Method({}, "Which card each modem is on and why, and where the remote one is.", serve.sim),
        "config.check": Method(
            {"text": str},
            "Every mistake in the configuration file, or in a UCI text; changes nothing.",
            serve.config_check,
            optional=frozenset({"text"}),
        ),
        "test": Method(
            {}, "Configuration, modems, links, bank and orchestrator: what is not well.", serve.test
        ),
    }
