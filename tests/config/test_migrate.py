"""The fork's configuration becomes ours."""

import stat
from pathlib import Path

import pytest

from remsimd.config.load import load, parse
from remsimd.config.migrate import SAVED_SUFFIX, is_fork, main, migrate, migrate_file
from remsimd.config.model import GpioLine, MappingMode, Match, MatchBy, Role, SimSource
from remsimd.config.uci import parse as parse_uci
from remsimd.errors import ConfigError

FORK = """
config service 'service'
	option enabled '1'

config client 'client'
	option client_id '17'
	option client_slot '2'

config server 'server'
	option host 'remsim.example.org'
	option port '9997'
	option atr '3B00'
	option atr_ignore_rspro '0'

config modems 'modems'
	option dual_modem '1'
	option device '/dev/ttyUSB2'
	option sim_switch_gpio '20'
	option reset_gpio '21'

config modem1 'modem1'
	option device '/dev/ttyUSB2'
	option sim_switch_gpio '20'
	option reset_gpio '21'

config modem2 'modem2'
	option device '/dev/ttyUSB5'
	option sim_switch_gpio '22'
	option reset_gpio '23'

config ionmesh 'ionmesh'
	option enabled '1'
	option host 'ionmesh.example.org'
	option port '5001'
	option tenant_id '3'
	option mapping_mode 'KI_PROXY_SWSIM'
	option mcc_mnc '310410'

config monitoring 'monitoring'
	option signal_monitoring '1'
	option signal_interval '60'
	option stats_interval '3600'
	option track_data_usage '0'

config logging 'logging'
	option debug '1'
	option log_categories 'DMAIN:DPCU'
	option syslog '1'

config routing 'routing'
	option force_iot_routing '1'
	option iot_interface 'wwan1'

config advanced 'advanced'
	option event_script '/etc/remsim/event-script.sh'
	option keep_running '1'

config heartbeat 'heartbeat'
	option interval '90'
	option timeout '15'

config security 'security'
	option use_tls '0'
	option ca_cert '/etc/ssl/certs/ca-certificates.crt'
"""
SINGLE = FORK.replace("dual_modem '1'", "dual_modem '0'")


def test_values_are_kept_where_they_mean_the_same() -> None:
    config = parse(migrate(FORK).text, "test")
    assert config.warnings == ()
    assert config.main.enabled
    assert config.main.log_level == "debug"
    assert config.main.event_script is None
    primary, secondary = config.modems
    assert (primary.role, primary.match) == (Role.PRIMARY, (Match(MatchBy.TTY, "/dev/ttyUSB2"),))
    assert (primary.sim_select_line, primary.reset_line) == (
        GpioLine(chip="gpiochip0", offset=20),
        GpioLine(chip="gpiochip0", offset=21),
    )
    assert (primary.sim, primary.poll_interval_s) == (SimSource.LOCAL, 60)
    assert (secondary.role, secondary.interface) == (Role.SECONDARY, "wwan1")
    assert (secondary.sim_select_line, secondary.reset_line) == (None, GpioLine(chip="gpiochip0", offset=23))
    rspro = config.rspro
    assert (rspro.server_host, rspro.server_port, rspro.client_id, rspro.client_slot, rspro.via) == (
        "remsim.example.org",
        9997,
        17,
        2,
        "secondary",
    )
    ionmesh = config.ionmesh
    assert (ionmesh.enabled, ionmesh.url, ionmesh.tenant_id) == (True, "http://ionmesh.example.org:5001", 3)
    assert (ionmesh.mapping_mode, ionmesh.mcc_mnc) == (MappingMode.KI_PROXY_SWSIM, "310410")
    assert (ionmesh.interval_s, ionmesh.timeout_s, ionmesh.insecure) == (90, 15, True)


def test_what_is_left_out_is_said() -> None:
    notes = "\n".join(migrate(FORK).notes)
    for place in ("server.atr", "logging.syslog", "monitoring.stats_interval", "advanced.keep_running"):
        assert f"{place} not carried over" in notes
    assert "not encrypted" in notes
    assert "frontend" in notes


def test_one_modem() -> None:
    config = parse(migrate(SINGLE).text, "test")
    (modem,) = config.modems
    assert modem.match == ()
    assert modem.sim_select_line == GpioLine(chip="gpiochip0", offset=20)


def test_an_own_event_script_and_tls_are_kept() -> None:
    text = FORK.replace("/etc/remsim/event-script.sh", "/root/mine.sh").replace("use_tls '0'", "use_tls '1'")
    config = parse(migrate(text).text, "test")
    assert config.main.event_script == "/root/mine.sh"
    assert (config.ionmesh.url, config.ionmesh.insecure) == ("https://ionmesh.example.org:5001", False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("client_id '17'", "client_id 'router-001'"),
        ("port '9997'", "port '99999'"),
        ("interval '90'", "interval '5'"),
        ("sim_switch_gpio '20'", "sim_switch_gpio 'x'"),
        ("host 'remsim.example.org'", "host 'remsim.example.com'"),
    ],
)
def test_what_cannot_be_right_gets_the_default(before: str, after: str) -> None:
    migrated = migrate(FORK.replace(before, after))
    parse(migrated.text, "test")
    assert after.split()[1].strip("'") not in migrated.text.split("gpiochip0:")[0].split("ionmesh'")[0]


def test_a_file_that_stays_incomplete_is_not_enabled_and_says_why() -> None:
    text = FORK.replace("option mcc_mnc '310410'", "")
    migrated = migrate(text)
    assert any("mcc_mnc" in note and "by hand" in note for note in migrated.notes)
    assert "config 'remsim' 'main'\n\toption enabled '0'" in migrated.text


def test_whose_file_it_is() -> None:
    assert is_fork(parse_uci(FORK))
    assert not is_fork(parse_uci(migrate(FORK).text))
    assert not is_fork(
        parse_uci("config remsim 'main'\n\toption enabled 1\nconfig ionmesh\n\toption url x\n")
    )


def test_a_file_is_converted_once_and_saved(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "remsim"
    path.write_text(FORK)
    path.chmod(0o600)
    assert main([str(path)]) == 0
    assert "not carried over" in capsys.readouterr().out
    assert load(path).rspro.client_id == 17
    assert (tmp_path / f"remsim{SAVED_SUFFIX}").read_text() == FORK
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    converted = path.read_bytes()
    assert migrate_file(path) is None
    assert path.read_bytes() == converted
    assert sorted(file.name for file in tmp_path.iterdir()) == ["remsim", f"remsim{SAVED_SUFFIX}"]


@pytest.mark.parametrize("text", ["config service 'a\n", None])
def test_what_cannot_be_read_stays(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "remsim"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match="cannot be migrated"):
        migrate_file(path)
    assert main([str(path)]) == 1


@pytest.mark.parametrize("words", [[], ["one", "two"], ["--help"]])
def test_without_its_file_it_says_how_it_is_used(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr() == ("", "Usage: python3 -m remsimd.config.migrate FILE\n")
