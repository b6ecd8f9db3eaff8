"""The exposition for fixed states: documented names, unknown values absent, one family once."""

import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modems.facts import Identity, Registration, RegistrationState, Signal
from remsimd import clock
from remsimd import events as ev
from remsimd.assignment import Assignment
from remsimd.bus import Bus
from remsimd.config.model import Config, MetricsConfig, ModemConfig, Role, SimSource
from remsimd.errors import RemsimError
from remsimd.observe.exporter import MetricsServer, listen_address
from remsimd.observe.metrics import Histograms, StateCollector
from remsimd.state import start
from remsimd.store import Store
from tests import virtual

DOCUMENTED = {
    "remsim_connection_status": ("modem", "interface"),
    "remsim_uptime_seconds": (),
    "remsim_connection_duration_seconds": ("modem",),
    "remsim_reconnect_count_total": ("modem",),
    "remsim_failover_count_total": ("from", "to"),
    "remsim_signal_rssi_dbm": ("modem", "carrier"),
    "remsim_signal_rsrp_dbm": ("modem", "carrier"),
    "remsim_signal_rsrq_db": ("modem", "carrier"),
    "remsim_signal_sinr_db": ("modem", "carrier"),
    "remsim_signal_quality": ("modem",),
    "remsim_data_rx_bytes_total": ("interface", "modem"),
    "remsim_data_tx_bytes_total": ("interface", "modem"),
    "remsim_sim_slot_active": ("modem", "slot", "mode"),
    "remsim_sim_authentication_success_total": ("modem",),
    "remsim_sim_authentication_failure_total": ("modem",),
    "remsim_sim_switch_count_total": ("modem",),
    "remsim_tpdu_rx_total": ("modem",),
    "remsim_tpdu_tx_total": ("modem",),
    "remsim_tpdu_error_total": ("modem", "error_type"),
    "remsim_bankd_connection_status": ("bank_id", "bankd_host"),
    "remsim_bankd_latency_seconds": ("bank_id",),
}
CONFIG = Config(
    modems=(
        ModemConfig(name="primary", interface="wwan0"),
        ModemConfig(name="secondary", role=Role.SECONDARY, interface="wwan1"),
    )
)
NASTY = 'Ex"ample\n\\Mobile'


def busy() -> tuple[ev.Event, ...]:
    """Everything once."""
    identity = Identity(manufacturer="Quectel", model="RM500Q-GL", firmware="R11", imei="861234567890123")
    home = Registration(state=RegistrationState.HOME, operator=NASTY)
    card = Assignment(client_id=1, client_slot=3, bank_id=1, slot_id=3)
    return (
        ev.ModemFound("primary", "/dev/ttyUSB2"),
        ev.ModemIdentified("primary", "quectel", identity),
        ev.RegistrationRead("primary", home),
        ev.SignalRead("primary", Signal(rssi_dbm=-61.0, rsrp_dbm=-93.0, rsrq_db=-11.0, sinr_db=7.0)),
        ev.SimSwitched("primary", SimSource.REMOTE, True, "card", 2.0),
        ev.TrafficRead("primary", 10, 20),
        ev.LinkHealthChanged("primary", ev.LinkHealth.UP, "answers"),
        ev.ActiveLinkChanged(None, "primary", "up", 0.0),
        ev.ActiveLinkChanged("primary", "secondary", "down", 0.02),
        ev.Assigned(card, "ionmesh"),
        ev.RsproLinkChanged("bankd", "192.0.2.1:9999", True, ""),
        ev.TpduRelayed("primary", 0.01, 0x9000),
        ev.Authenticated("primary", True, 0x9000),
    )


def scrape(*happened: ev.Event) -> str:
    async def story() -> str:
        bus, store = Bus(), Store(start(CONFIG, clock.wall() - 60))
        registry = CollectorRegistry()
        registry.register(StateCollector(lambda: store.now, "router-1"))
        histograms = Histograms(registry, "router-1")
        with bus.listen(store.take), bus.listen(histograms.take):
            for event in happened:
                bus.publish(event)
        return generate_latest(registry).decode()

    return virtual.run(story())


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def test_documented_names_carry_the_documented_labels() -> None:
    found = {name: labels for name, labels, _ in samples(scrape(*busy()))}
    for name, labels in DOCUMENTED.items():
        assert set(found[name]) == {"router_id", *labels}, name


def test_every_family_is_declared_once() -> None:
    declared = [line.split()[2] for line in scrape(*busy()).splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))


def test_what_nobody_knows_is_absent_and_never_zero() -> None:
    names = {name for name, labels, _ in samples(scrape())}
    for name in ("remsim_signal_rsrp_dbm", "remsim_data_rx_bytes_total", "remsim_bankd_connection_status"):
        assert name not in names
    partly = scrape(ev.SignalRead("primary", Signal(rsrp_dbm=-93.0)))
    names = {name for name, labels, _ in samples(partly)}
    assert "remsim_signal_rsrp_dbm" in names
    assert "remsim_signal_rssi_dbm" not in names


def test_an_operator_s_name_cannot_break_the_exposition() -> None:
    carriers = {labels["carrier"] for name, labels, _ in samples(scrape(*busy())) if "carrier" in labels}
    assert carriers == {NASTY}


def test_values_are_those_of_the_state() -> None:
    found = {
        (name, labels.get("modem") or labels.get("link")): value
        for name, labels, value in samples(scrape(*busy()))
    }
    assert found["remsim_connection_status", "primary"] == 1
    assert found["remsim_connection_status", "secondary"] == 0
    assert found["remsim_signal_quality", "primary"] == 68
    assert found["remsim_link_active", "secondary"] == 1
    assert found["remsim_data_tx_bytes_total", "primary"] == 20
    text = scrape(*busy())
    assert 'remsim_failover_count_total{from="primary",router_id="router-1",to="secondary"} 1.0' in text
    assert 'remsim_failover_duration_seconds_count{router_id="router-1"} 1.0' in text


async def test_the_server_answers_on_loopback_and_ends() -> None:
    import asyncio
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: start(CONFIG, clock.wall()), "router-1"))
    task = asyncio.create_task(MetricsServer(MetricsConfig(listen_port=port), registry).run())
    await asyncio.sleep(0)

    def get() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    assert "remsim_build_info" in await asyncio.to_thread(get)
    task.cancel()
    await asyncio.wait((task,))
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(get)


def test_listen_addresses() -> None:
    assert listen_address("loopback") == "127.0.0.1"
    assert listen_address("any") == "0.0.0.0"
    with pytest.raises(RemsimError, match="'wwan9' has no IPv4 address"):
        listen_address("wwan9")
