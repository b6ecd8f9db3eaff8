"""The exposition for fixed states: documented names, unknown values absent, one family once."""

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from modems.facts import Identity, Registration, RegistrationState, Signal, Sim, SimState, Temperature
from remsimd import clock
from remsimd import events as ev
from remsimd.assignment import Assignment
from remsimd.bus import Bus
from remsimd.config.model import Config, MetricsConfig, ModemConfig, Role, SimSource
from remsimd.errors import RemsimError
from remsimd.observe import families
from remsimd.observe.events import UsageCounted
from remsimd.observe.exporter import MetricsServer, Textfile, listen_address
from remsimd.observe.measured import Measured
from remsimd.observe.metrics import Histograms, StateCollector, SystemCollector
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote
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
    "remsim_bankd_connection_duration_seconds": ("bank_id",),
    "remsim_data_rx_rate_bytes_per_second": ("interface",),
    "remsim_data_tx_rate_bytes_per_second": ("interface",),
    "remsim_system_cpu_percent": (),
    "remsim_system_memory_bytes": (),
    "remsim_system_temperature_celsius": ("sensor",),
    "remsim_connection_latency_ms": ("connection",),
    "remsim_connection_throughput_mbps": ("connection",),
    "remsim_connection_packet_loss_percent": ("connection",),
    "remsim_healing_attempts_total": ("action",),
    "remsim_healing_success_total": ("action",),
    "remsim_healing_failure_total": ("action",),
}
CONFIG = Config(
    modems=(
        ModemConfig(name="primary", interface="wwan0"),
        ModemConfig(name="secondary", role=Role.SECONDARY, interface="wwan1"),
    )
)
NASTY = 'Ex"ample\n\\Mobile'


NUMBERS = {
    "imei": "861234567890123",
    "imsi": "262010000000042",
    "iccid": "8949000000000000123",
}


def busy() -> tuple[ev.Event, ...]:
    """Everything once."""
    identity = Identity("Quectel", "RM500Q-GL", "R11", NUMBERS["imei"])
    home = Registration(state=RegistrationState.HOME, operator=NASTY)
    card = Assignment(
        client_id=1, client_slot=3, bank_id=1, slot_id=3, iccid=NUMBERS["iccid"], imsi=NUMBERS["imsi"]
    )
    return (
        ev.ModemFound("primary", "/dev/ttyUSB2"),
        ev.ModemIdentified("primary", "quectel", identity),
        ev.SimRead("primary", Sim(SimState.READY, NUMBERS["iccid"], NUMBERS["imsi"])),
        ev.RegistrationRead("primary", home),
        ev.SignalRead(
            "primary",
            Signal(
                rssi_dbm=-61.0,
                rsrp_dbm=-93.0,
                rsrq_db=-11.0,
                sinr_db=7.0,
                nr_rsrp_dbm=-95.0,
                nr_rsrq_db=-12.0,
                nr_sinr_db=9.5,
            ),
        ),
        ev.TemperatureRead("primary", (Temperature("modem", 45.0),)),
        ev.AtTimings("primary", (0.02, 0.2), timeouts=1),
        ev.SimSwitched("primary", SimSource.REMOTE, True, "card", 2.0),
        ev.TrafficRead("primary", 10, 20),
        ev.ProbeDone("primary", "icmp:192.0.2.53", 0.025),
        ev.ProbeDone("primary", "icmp:192.0.2.53", None),
        ev.ProbeDone("primary", "icmp:192.0.2.53", 0.05),
        ev.ProbeDone("primary", "icmp:192.0.2.53", 0.05),
        ev.LinkHealthChanged("primary", ev.LinkHealth.UP, "answers"),
        ev.ActiveLinkChanged(None, "primary", "up", 0.0),
        ev.ActiveLinkChanged("primary", "secondary", "down", 0.02),
        ev.RecoveryEnded("primary", ev.RecoveryAction.RADIO_CYCLE, False, "still down", 12.0),
        ev.RecoveryEnded("primary", ev.RecoveryAction.RESET, True, "up again", 30.0),
        ionmesh_events.Assigned(card, "ionmesh"),
        ionmesh_events.IonmeshStateChanged(ionmesh_events.IonmeshState.REGISTERED, ""),
        ionmesh_events.IonmeshCallDone("heartbeat", 0.08, None),
        ionmesh_events.IonmeshCallDone("heartbeat", 10.0, "timeout"),
        ionmesh_events.HeartbeatSent("primary", 0.08),
        remote.RsproLinkChanged("bankd", "192.0.2.1:9999", True, ""),
        remote.TpduRelayed("primary", 0.01, 0x9000),
        remote.TpduFailed("primary", "no answer"),
        remote.Authenticated("primary", True, 0x9000),
        remote.Authenticated("primary", False, 0x9862),
        UsageCounted("primary", 750_000, 1_000_000),
        ev.DataSpent("primary", 1234, 1_000_000, tight=False),
    )


def gather(*happened: ev.Event, started_s: float, proc: Path | None = None) -> CollectorRegistry:
    """A registry after these events, a second of virtual time between them."""
    registry = CollectorRegistry()

    async def story() -> None:
        import asyncio

        bus, store, measured = Bus(), Store(start(CONFIG, started_s)), Measured()
        registry.register(StateCollector(lambda: store.now, "router-1", lambda: measured.now))
        if proc is not None:
            registry.register(SystemCollector("router-1", proc))
        histograms = Histograms(registry, "router-1")
        with bus.listen(store.take), bus.listen(measured.take), bus.listen(histograms.take):
            for event in happened:
                bus.publish(event)
                await asyncio.sleep(1)

    virtual.run(story())
    return registry


def scrape(*happened: ev.Event) -> str:
    return generate_latest(gather(*happened, started_s=clock.wall() - 60)).decode()


GOLDEN = Path(__file__).parent / "golden" / "router.prom"


def fixed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> CollectorRegistry:
    """Everything once, at a fixed time, by a fixed version, on a router with a fixed load."""
    monkeypatch.setattr(clock, "wall", lambda: 1_790_000_000.0)
    monkeypatch.setattr(families, "__version__", "1.2.3")
    (folder / "meminfo").write_text("MemTotal: 262144 kB\nMemFree: 1000 kB\nMemAvailable: 131072 kB\n")
    (folder / "stat").write_text("cpu 100 0 50 850 0 0 0 0 0 0\ncpu0 1 1\n")
    registry = gather(
        *busy(), ev.TrafficRead("primary", 10_010, 5_020), started_s=1_789_999_940.0, proc=folder
    )
    (folder / "stat").write_text("cpu 130 0 70 900 0 0 0 0 0 0\ncpu0 1 1\n")
    return registry


def test_the_exposition_is_the_golden_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Change the file only together with docs/monitoring.md: dashboards in the field ask for these names."""
    text = generate_latest(fixed(monkeypatch, tmp_path)).decode()
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_openmetrics_is_whole_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = generate_openmetrics(fixed(monkeypatch, tmp_path)).decode()
    found = {sample.name for family in openmetrics_families(text) for sample in family.samples}
    assert found >= set(DOCUMENTED)


def test_no_subscriber_s_number_is_in_a_label(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = generate_latest(fixed(monkeypatch, tmp_path)).decode()
    assert [name for name, number in NUMBERS.items() if number in text] == []


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.text(max_size=10).map(ascii))
def test_names_from_outside_come_out_as_they_went_in(operator: str, firmware: str) -> None:
    registration = Registration(state=RegistrationState.ROAMING, operator=operator or None)
    identity = Identity(manufacturer=None, model="\n# TYPE x counter\nx 1", firmware=firmware, imei=None)
    text = scrape(
        ev.RegistrationRead("primary", registration),
        ev.ModemIdentified("primary", "generic", identity),
        ev.SignalRead("primary", Signal(rssi_dbm=-61.0)),
    )
    found = {name: labels for name, labels, _ in samples(text)}
    assert found["remsim_signal_rssi_dbm"]["carrier"] == operator
    assert found["remsim_modem_info"]["firmware"] == firmware
    assert "x" not in found


async def test_the_textfile_is_replaced_whole_and_goes_with_the_daemon(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "prometheus" / "remsim.prom"
    registry = CollectorRegistry()
    registry.register(StateCollector(lambda: start(CONFIG, clock.wall()), "router-1"))
    task = asyncio.create_task(Textfile(path, registry).run())
    await asyncio.sleep(0)
    assert "remsim_build_info" in {name for name, _, _ in samples(path.read_text(encoding="utf-8"))}
    assert [p.name for p in path.parent.iterdir()] == ["remsim.prom"]
    task.cancel()
    await asyncio.wait((task,))
    assert not path.exists()


def samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def test_documented_names_carry_the_documented_labels() -> None:
    found = {name: labels for name, labels, _ in samples(GOLDEN.read_text(encoding="utf-8"))}
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
