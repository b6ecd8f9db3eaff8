"""What a configuration means, and every way it can be wrong."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.config.load import load, parse
from remsimd.config.model import (
    AlertConfig,
    Config,
    ConnectMode,
    FrontendConfig,
    FrontendType,
    GpioLine,
    IonmeshConfig,
    MainConfig,
    MappingMode,
    Match,
    MatchBy,
    ModemConfig,
    ProbeKind,
    ProbeTarget,
    Role,
    RsproConfig,
)
from remsimd.config.uci import Option, Package, Section, dump
from remsimd.errors import ConfigError, Mistake


def read(text: str) -> Config:
    return parse(text, "test")


def mistakes(text: str) -> list[Mistake]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "test")
    return list(caught.value.mistakes)


def test_nothing_configured_is_the_defaults() -> None:
    assert read("") == Config()


def test_a_modem_with_everything() -> None:
    config = read(
        """
        config modem 'rm500q'
            option role primary
            option driver quectel
            list match 'usb:2-1.1'
            list match 'pci:0000:01:00.0'
            list match 'imei:359000000000000'
            list match 'id:2C7C:0800'
            list match 'tty:/dev/ttyUSB2'
            option interface wwan0
            option sim_slot 2
            option sim_select_line 'gpiochip0:20'
            option sim_select_remote 0
            option reset_line '/dev/gpiochip1:3'
            option reset_active low
            option reset_pulse_ms 300
            option power_line 5g1
            option power_off_ms 4000
            option poll_interval 5
            option data_limit_mb 30
            option data_reset_day 28
        """
    )
    assert config.modems == (
        ModemConfig(
            name="rm500q",
            role=Role.PRIMARY,
            driver="quectel",
            match=(
                Match(MatchBy.USB, "2-1.1"),
                Match(MatchBy.PCI, "0000:01:00.0"),
                Match(MatchBy.IMEI, "359000000000000"),
                Match(MatchBy.ID, "2c7c:0800"),
                Match(MatchBy.TTY, "/dev/ttyUSB2"),
            ),
            interface="wwan0",
            sim_slot=2,
            sim_select_line=GpioLine(chip="gpiochip0", offset=20),
            sim_select_remote=False,
            reset_line=GpioLine(chip="gpiochip1", offset=3),
            reset_active_high=False,
            reset_pulse_ms=300,
            power_line=GpioLine(name="5g1"),
            power_off_ms=4000,
            poll_interval_s=5,
            data_limit_mb=30,
            data_reset_day=28,
        ),
    )
    assert config.warnings == ()


def test_the_other_sections() -> None:
    config = read(
        """
        config remsim 'main'
            option enabled 1
            option event_script /etc/remsim/event.sh
        config modem 'm'
            option sim remote
        config frontend 'f'
            option modem m
            option type vpcd
            option host '::1'
        config rspro
            option connect_mode bankd
            option bankd_host bank.example.com
            option bank_id 1
            option bank_slot 7
            option bankd_allow '192.0.2.0/24 2001:db8::/32'
            option client_id 0
            option via any
        config ionmesh
            option url 'https://mesh.example.com:5000/api/backend/v1/'
            option mapping_mode KI_PROXY_SWSIM
            option mcc_mnc 310-410
            option timeout 5
        config failover
            list targets 192.0.2.1
            list targets 'icmp:2001:db8::1'
            list targets 'dns:9.9.9.9'
            list targets 'dns:[2001:db8::1]:5353'
            list targets 'tcp:www.example.com:443'
            option hold_down 1.5
        config recovery
            option sim_fallback off
        config metrics
            option listen_port 9100
        config history
            option days 7
        config alert 'weak'
            option metric remsim_signal_rssi_dbm
            option below '-100.5'
            option for 600
            option webhook 'http://alerts.example.com/x'
        """
    )
    assert config.main == MainConfig(enabled=True, event_script="/etc/remsim/event.sh")
    assert config.frontends == (FrontendConfig(name="f", modem="m", type=FrontendType.VPCD, host="::1"),)
    assert config.rspro == RsproConfig(
        connect_mode=ConnectMode.BANKD,
        bankd_host="bank.example.com",
        bank_id=1,
        bank_slot=7,
        bankd_allow=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
        client_id=0,
        via="any",
    )
    assert config.ionmesh == IonmeshConfig(
        url="https://mesh.example.com:5000",
        mapping_mode=MappingMode.KI_PROXY_SWSIM,
        mcc_mnc="310410",
        timeout_s=5,
    )
    assert config.failover.targets == (
        ProbeTarget(ProbeKind.ICMP, "192.0.2.1"),
        ProbeTarget(ProbeKind.ICMP, "2001:db8::1"),
        ProbeTarget(ProbeKind.DNS, "9.9.9.9", 53),
        ProbeTarget(ProbeKind.DNS, "2001:db8::1", 5353),
        ProbeTarget(ProbeKind.TCP, "www.example.com", 443),
    )
    assert config.failover.hold_down_s == 1.5
    assert config.recovery.sim_fallback_local is False
    assert config.metrics.listen_port == 9100
    assert config.history.days == 7
    assert config.alerts == (
        AlertConfig(
            name="weak",
            metric="remsim_signal_rssi_dbm",
            below=-100.5,
            for_s=600,
            webhook="http://alerts.example.com/x",
        ),
    )


@pytest.mark.parametrize("text", ["1", "yes", "on", "true", "enabled", "TRUE"])
def test_true(text: str) -> None:
    assert read(f"config ionmesh\n option insecure {text}").ionmesh.insecure is True


@pytest.mark.parametrize("text", ["0", "no", "off", "false", "disabled"])
def test_false(text: str) -> None:
    assert read(f"config failover\n option enabled {text}").failover.enabled is False


def test_an_empty_option_has_its_default() -> None:
    assert read("config rspro\n option server_port 1\n option server_port ''").rspro.server_port == 9998


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ("option host 127.0.0.1", "http://127.0.0.1:5000"),
        ("option host ::1\n option port 5001", "http://[::1]:5001"),
        ("option host mesh.example.com\n option insecure 1", "http://mesh.example.com:5000"),
        ("option host 127.0.0.1\n option url https://a.example.com", "https://a.example.com"),
        ("option url http://localhost:5000/mesh/", "http://localhost:5000/mesh"),
        ("option url http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_orchestrator_address(options: str, url: str) -> None:
    assert read(f"config ionmesh\n {options}").ionmesh.url == url


VALUE_MISTAKES = [
    ("modem", "role", "third", "allowed: primary, secondary"),
    ("modem", "enabled", "ja", "allowed: 1 or 0"),
    ("modem", "driver", "huawei", "allowed: auto, fibocom, sierra, quectel, generic"),
    ("modem", "match", "ttyUSB2", "allowed: usb:1-1.2, pci:"),
    ("modem", "match", "usb:ttyUSB2", "allowed: usb:1-1.2, pci:"),
    ("modem", "match", "imei:12345", "imei: and 15 digits"),
    ("modem", "match", "tty:ttyUSB2", "tty:/dev/ttyUSB2"),
    ("modem", "interface", "../wwan0", "name of an interface"),
    ("modem", "interface", "wwan 0", "name of an interface"),
    ("modem", "sim", "both", "allowed: local, remote"),
    ("modem", "sim_slot", "3", "a whole number from 1 to 2"),
    ("modem", "sim_slot", "0", "a whole number from 1 to 2"),
    ("modem", "sim_select_line", "20", "gpiochip0:20"),
    ("modem", "sim_select_line", "sim 1", "the name of a GPIO line, or chip:offset"),
    ("modem", "sim_select_remote", "remote", "allowed: 1, 0"),
    ("modem", "reset_active", "up", "allowed: high, low"),
    ("modem", "reset_pulse_ms", "0.5", "a whole number of milliseconds from 10 to 60000"),
    ("modem", "poll_interval", "1", "a whole number of seconds from 2 to 3600"),
    ("modem", "data_reset_day", "31", "from 1 to 28"),
    ("frontend", "type", "at-csim", "can never present a card"),
    ("frontend", "type", "csim", "allowed: cardem, vpcd, shell"),
    ("frontend", "usb_path", "/dev/bus/usb/001/004", "a USB path like 1-1.2"),
    ("rspro", "connect_mode", "both", "allowed: auto, server, bankd"),
    ("rspro", "server_host", "http://bank", "a host name or an IP address"),
    ("rspro", "server_host", "192.0.2.300", "a host name or an IP address"),
    ("rspro", "server_port", "0", "from 1 to 65535"),
    ("rspro", "client_id", "1024", "from 0 to 1023"),
    ("rspro", "client_id", "router-001", "from 0 to 1023"),
    ("rspro", "bankd_allow", "192.0.2.1/24", "has host bits set"),
    ("rspro", "client_id", "1024", "from 0 to 1023"),
    ("rspro", "bank_slot", "-1", "from 0 to 1023"),
    ("rspro", "via", "no such", "name of a modem"),
    ("ionmesh", "url", "mesh.example.com:5000", "allowed: https://host:port"),
    ("ionmesh", "url", "ftp://mesh.example.com", "allowed: https://host:port"),
    ("ionmesh", "url", "https://mesh.example.com:99999", "allowed: https://host:port"),
    ("ionmesh", "url", "https://mesh.example.com/?key=1", "allowed: https://host:port"),
    ("ionmesh", "url", "https://", "allowed: https://host:port"),
    ("ionmesh", "tenant_id", "0", "from 1 to"),
    ("ionmesh", "client_name", "a/b", "letters, digits"),
    ("ionmesh", "mapping_mode", "ONE_TO_ONE", "allowed: ONE_TO_ONE_SWSIM"),
    ("ionmesh", "mcc_mnc", "2620", "5 or 6 digits"),
    ("ionmesh", "api_key_file", "key", "an absolute path"),
    ("ionmesh", "interval", "5", "a whole number of seconds from 10 to 3600"),
    ("failover", "targets", "tcp:192.0.2.1", "tcp needs a port"),
    ("failover", "targets", "icmp:192.0.2.1:80", "an address or host"),
    ("failover", "targets", "dns:192.0.2.1:0", "an address or host"),
    ("failover", "timeout", "1e1", "a number of seconds from 0.1 to 60"),
    ("failover", "timeout", "nan", "a number of seconds from 0.1 to 60"),
    ("failover", "routing", "table", "allowed: policy, mwan3, none"),
    ("recovery", "sim_fallback", "remote", "allowed: local, off"),
    ("history", "path", "history", "an absolute path"),
    ("remsim", "log_level", "verbose", "allowed: debug, info, warning, error"),
    ("alert", "metric", "rssi dbm", "the name of a metric"),
    ("alert", "webhook", "alerts.example.com", "https:// or http:// address"),
]


@pytest.mark.parametrize(("kind", "option", "value", "problem"), VALUE_MISTAKES)
def test_wrong_value(kind: str, option: str, value: str, problem: str) -> None:
    found = mistakes(f"config {kind} 's'\n\toption {option} ''\n\tlist {option} '{value}'\n")
    (mistake,) = [one for one in found if one.option == option]
    assert (mistake.section, mistake.value, mistake.line) == ("s", value, 3)
    assert problem in mistake.problem


MODEM = "config modem 'm'\n option interface wwan0\n option match usb:1-1\n"
REMOTE = "config modem 'm'\n option sim remote\nconfig frontend 'f'\n option modem m\n option type shell\n"
IONMESH = "config ionmesh 'i'\n option enabled 1\n option url https://a.example.com"
BETWEEN = [
    ("config remsim 'main'\n option enabled 1", "main", "enabled", "at least one modem"),
    (
        "config remsim 'main'\n option enabled 1\n" + MODEM + " option role secondary",
        "main",
        "enabled",
        "primary",
    ),
    ("config remsim 'main'\n option enabled 1\n" + MODEM + " option enabled 0", "main", "enabled", "primary"),
    ("config frontend 'f'\n option modem x\n option type shell", "f", "modem", "no such modem"),
    ("config frontend 'f'\n option type shell", "f", "modem", "must be set"),
    (
        MODEM + "config frontend 'f'\n option modem m",
        "f",
        "type",
        "must be set; allowed: cardem, vpcd, shell",
    ),
    (
        MODEM + "".join(f"config frontend f{n}\n option modem m\n option type shell\n" for n in (1, 2)),
        "f2",
        "modem",
        "frontend f1",
    ),
    (
        MODEM + "config frontend 'f'\n option modem m\n option type vpcd\n option usb_path 1-1",
        "f",
        "usb_path",
        "only for type cardem",
    ),
    (MODEM + " option sim remote", "m", "sim", "needs a frontend"),
    ("config modem 'm'\n option role secondary\n option sim remote", "m", "sim", "must use its local SIM"),
    ("config modem 'secondary'", "secondary", "role", "must have that role"),
    ("config modem 'any'", "any", None, "cannot be called 'any'"),
    (MODEM + "config modem 'n'\n option interface wwan0\n", "n", "interface", "modem m has this interface"),
    (MODEM + "config modem 'n'\n option match usb:1-1\n", "n", "match", "modem m has this match"),
    ("config modem 'm'\nconfig modem 'n'\n", "n", "match", "only one modem may go without"),
    (MODEM + " option reset_line r\n option power_line r", "m", None, "the line r is given for two purposes"),
    (REMOTE, "rspro", "client_id", "must be set"),
    (REMOTE + "config rspro\n option client_id 1", "@rspro[0]", "server_host", "must be set"),
    (
        REMOTE + "config rspro 'r'\n option client_id 1\n option connect_mode bankd",
        "r",
        "bankd_host",
        "must be set",
    ),
    (
        REMOTE + "config rspro 'r'\n option client_id 1\n option connect_mode server\n option bankd_host b",
        "r",
        "server_host",
        "must be set",
    ),
    (
        REMOTE + "config rspro 'r'\n option client_id 1\n option bankd_host b\n option bank_id 1",
        "r",
        "bank_slot",
        "nobody else says where our card is; allowed: 0 to 1023",
    ),
    ("config ionmesh\n option enabled 1", "@ionmesh[0]", "url", "must be set"),
    ("config ionmesh 'i'\n option url http://192.0.2.1:5000", "i", "url", "insecure 1"),
    ("config ionmesh 'i'\n option host mesh.example.com", "i", "url", "insecure 1"),
    (
        f"{IONMESH}\n option mapping_mode KI_PROXY_SWSIM",
        "i",
        "mcc_mnc",
        "must be set",
    ),
    ("config ionmesh 'i'\n option client_cert /c", "i", "client_key", "belong together"),
    ("config ionmesh 'i'\n option client_key /c", "i", "client_cert", "belong together"),
    ("config ionmesh 'i'\n option via wwan0", "i", "via", "allowed: primary, secondary, any"),
    (MODEM + " option enabled 0\nconfig rspro 'r'\n option via m", "r", "via", "no such modem is enabled"),
    ("config failover 'f'\n option reliability 3", "f", "reliability", "only 2 targets"),
    ("config failover 'f'\n option fast_interval 6", "f", "fast_interval", "interval (5)"),
    ("config failover 'f'\n option hold_down 1000", "f", "hold_down_max", "hold_down (1000)"),
    ("config alert 'a'\n option metric m", "a", None, "above or below"),
    ("config rspro 'a'\nconfig rspro 'b'", "b", None, "the first is a"),
    ("config rspro 'r'\n list server_port 1\n list server_port 2", "r", "server_port", "given 2 times"),
]


@pytest.mark.parametrize(("text", "section", "option", "problem"), BETWEEN)
def test_what_cannot_be_meant(text: str, section: str, option: str | None, problem: str) -> None:
    found = [one for one in mistakes(text) if (one.section, one.option) == (section, option)]
    assert len(found) == 1
    assert problem in found[0].problem


def test_all_mistakes_at_once_in_the_order_of_the_file() -> None:
    found = mistakes(
        "config remsim 'main'\n\toption enabled maybe\n\toption log_level loud\n"
        "config modem 'm'\n\toption poll_interval 0\n"
        "config frontend 'f'\n\toption modem n\n\toption type shell\n"
    )
    assert [str(mistake).partition(":")[0] for mistake in found] == [
        "main.enabled = 'maybe'",
        "main.log_level = 'loud'",
        "m.poll_interval = '0'",
        "f.modem = 'n'",
    ]


def test_a_refused_frontend_is_one_mistake_and_not_two() -> None:
    text = (
        "config modem 'm'\n option sim remote\nconfig frontend 'f'\n option modem m\n option type at-csim\n"
    )
    found = mistakes(text + "config ionmesh\n option enabled 1\n option url https://a.example.com")
    assert [(mistake.section, mistake.option) for mistake in found] == [("f", "type")]


def test_a_refused_url_is_not_also_missing() -> None:
    found = mistakes("config ionmesh 'i'\n option enabled 1\n option url example")
    assert [(mistake.section, mistake.option) for mistake in found] == [("i", "url")]


def test_modems_of_one_kind_may_share_their_id() -> None:
    config = read("".join(f"config modem m{n}\n option match id:2c7c:0125\n" for n in (1, 2)))
    assert [modem.name for modem in config.modems] == ["m1", "m2"]


def test_an_anonymous_modem_is_referred_to_by_its_label() -> None:
    config = read("config modem\nconfig frontend\n option modem '@modem[0]'\n option type shell")
    assert (config.modems[0].name, config.frontends[0].modem) == ("@modem[0]", "@modem[0]")


def test_unknown_names_are_warned_about() -> None:
    config = read(
        "config modme 'x'\n option role primary\nconfig modem 'm'\n option rol primary\n option zzz 1\n"
    )
    assert config.warnings == (
        "x: unknown section type 'modme', ignored (line 1); did you mean 'modem'?",
        "m.rol: unknown option, ignored (line 4); did you mean 'role'?",
        "m.zzz: unknown option, ignored (line 5)",
    )


def test_a_key_in_the_configuration_is_warned_about_and_never_shown() -> None:
    config = read("config ionmesh\n option api_key sesame\n option api_key_file /nowhere/key")
    assert config.ionmesh.api_key == "sesame"
    assert len(config.warnings) == 2
    assert "sesame" not in repr(config)
    assert "sesame" not in " ".join(str(m) for m in mistakes("config ionmesh\n option api_key 'open sesame'"))


def test_a_password_in_an_address_is_refused_and_not_shown() -> None:
    (mistake,) = mistakes("config ionmesh 'i'\n option url https://user:sesame@mesh.example.com")
    assert "does not belong" in mistake.problem
    assert "sesame" not in str(mistake)


def test_a_syntax_error_names_its_line() -> None:
    (mistake,) = mistakes("config modem 'm'\n\toption role 'primary\n")
    assert (mistake.section, mistake.line) == ("file", 2)
    assert "never closed" in mistake.problem


def test_load_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "remsim"
    path.write_bytes(b"config modem 'm'\r\n\toption carrier 1\r\n")
    config = load(str(path))
    assert config.modems == (ModemConfig(name="m"),)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"config modem 'm'\n\toption x '\xff'\n", "UTF-8"),
        (b"#" * (1 << 21), "larger"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "remsim"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=problem) as caught:
        load(str(path))
    assert caught.value.path == str(path)


@pytest.mark.parametrize(("mode", "accepted"), [(0o600, True), (0o640, True), (0o644, False), (0o602, False)])
def test_the_key_file_is_not_for_everyone(tmp_path: Path, mode: int, accepted: bool) -> None:
    key, path = tmp_path / "key", tmp_path / "remsim"
    key.write_text("sesame")
    key.chmod(mode)
    path.write_text(f"config ionmesh 'i'\n\toption api_key_file '{key}'\n\toption bad 1\n")
    if accepted:
        assert load(str(path)).ionmesh.api_key_file == str(key)
        return
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load(str(path))
    assert [(m.section, m.option, m.line) for m in caught.value.mistakes] == [("i", "api_key_file", 2)]


def test_a_missing_key_file_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "remsim"
    path.write_text("config ionmesh\n\toption api_key_file '/nowhere/key'\n")
    assert load(str(path)).ionmesh.api_key_file == "/nowhere/key"


KINDS = st.sampled_from(["remsim", "modem", "frontend", "rspro", "ionmesh", "failover", "alert", "other"])
OPTIONS = st.sampled_from(
    ["enabled", "role", "match", "modem", "type", "via", "url", "host", "port", "targets"]
)
TEXTS = st.text("ab1.:-/²\n'\" ", max_size=12) | st.sampled_from(
    ["1", "primary", "usb:1-1", "shell", "http://a:1", "[::1]:1", "²"]
)


@given(st.lists(st.tuples(KINDS, st.dictionaries(OPTIONS, TEXTS.filter(bool), max_size=5)), max_size=5))
def test_any_file_is_read_or_every_mistake_is_named(content: list[tuple[str, dict[str, str]]]) -> None:
    sections = tuple(
        Section(kind, None, 0, tuple(Option(name, (text,)) for name, text in options.items()))
        for kind, options in content
    )
    text = dump(Package(sections)).replace("\0", "")
    try:
        result: Config | tuple[Mistake, ...] = read(text)
    except ConfigError as error:
        result = error.mistakes
    assert isinstance(result, Config) or (result and all(mistake.problem for mistake in result))
