"""A scrape with eight modems, everything known about each."""

import time

from _figure import figure
from prometheus_client import CollectorRegistry, generate_latest

from modems.facts import Identity, Registration, RegistrationState, Signal
from remsimd import events as ev
from remsimd.config.model import Config, ModemConfig
from remsimd.observe.metrics import StateCollector
from remsimd.reducer import reduce
from remsimd.state import start

ROUNDS = 200
NAMES = [f"modem{number}" for number in range(8)]
state = start(
    Config(modems=tuple(ModemConfig(name=name, interface=f"wwan{name[-1]}") for name in NAMES)), 0.0
)
for name in NAMES:
    for event in (
        ev.ModemFound(name, "/dev/ttyUSB2"),
        ev.ModemIdentified(name, "quectel", Identity("Quectel", "RM500Q-GL", "R11", "490154203237518")),
        ev.RegistrationRead(name, Registration(RegistrationState.HOME, operator="Example")),
        ev.SignalRead(name, Signal(None, -61.0, -93.0, -11.0, 7.0)),
        ev.TrafficRead(name, 1, 2),
        ev.LinkHealthChanged(name, ev.LinkHealth.UP, "answers"),
    ):
        state = reduce(event, state, 1.0)
registry = CollectorRegistry()
registry.register(StateCollector(lambda: state, "router"))
generate_latest(registry)
started_s = time.perf_counter()
for _ in range(ROUNDS):
    text = generate_latest(registry)
figure("scrape with 8 modems", 1000 * (time.perf_counter() - started_s) / ROUNDS, "ms", budget=10)
figure("scrape with 8 modems, size", len(text) / 1024, "KB", budget=64)
