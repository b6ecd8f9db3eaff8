"""The meaning of /etc/config/remsim as immutable values; each part receives only its own."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network


class Role(StrEnum):
    """What a modem is for."""

    PRIMARY = "primary"
    """Uses the remote SIM and carries the data."""
    SECONDARY = "secondary"
    """A local SIM, always on: keeps the router reachable."""


class SimSource(StrEnum):
    """Which of its two cards a modem uses."""

    LOCAL = "local"
    REMOTE = "remote"


class MatchBy(StrEnum):
    """By what a modem is recognised."""

    USB = "usb"
    PCI = "pci"
    IMEI = "imei"
    ID = "id"
    TTY = "tty"


class FrontendType(StrEnum):
    """What shows the remote card to a modem."""

    CARDEM = "cardem"
    VPCD = "vpcd"
    SHELL = "shell"


class ConnectMode(StrEnum):
    """Whom the RSPRO client connects to first."""

    AUTO = "auto"
    """What the assignment offers: the server where it names one, else the bankd."""
    SERVER = "server"
    BANKD = "bankd"


class MappingMode(StrEnum):
    """How the orchestrator gives out cards; the words are IonMesh's."""

    ONE_TO_ONE_SWSIM = "ONE_TO_ONE_SWSIM"
    ONE_TO_ONE_VSIM = "ONE_TO_ONE_VSIM"
    KI_PROXY_SWSIM = "KI_PROXY_SWSIM"


class Routing(StrEnum):
    """What moves the data to another link."""

    POLICY = "policy"
    MWAN3 = "mwan3"
    NONE = "none"


class SecondaryCarries(StrEnum):
    """What may leave over the secondary link while the primary is down."""

    ALL = "all"
    MANAGEMENT = "management"
    AUTO = "auto"


class ProbeKind(StrEnum):
    """How a target is asked."""

    ICMP = "icmp"
    DNS = "dns"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class GpioLine:
    """A line by its device-tree name, or as chip and offset."""

    name: str | None = None
    chip: str | None = None
    offset: int | None = None

    def __str__(self) -> str:
        return self.name if self.name is not None else f"{self.chip}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Match:
    """One way to recognise a modem: `usb:1-1.2`, `imei:35...`, `tty:/dev/ttyUSB2`."""

    by: MatchBy
    value: str

    def __str__(self) -> str:
        return f"{self.by}:{self.value}"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """Something on the other side of a link that answers; `port` is None for icmp."""

    kind: ProbeKind
    host: str
    port: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.host}" + (f":{self.port}" if self.port is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MainConfig:
    """Section `remsim`; `state_dir` holds what must survive a reboot."""

    enabled: bool = False
    log_level: str = "info"
    log_apdu: bool = False
    state_dir: str = "/etc/remsim"
    event_script: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModemConfig:
    """A section `modem`.

    `interface` is a logical interface of netifd or a network device. A line is driven to
    `sim_select_remote` for the remote card; a reset lasts `reset_pulse_ms`, a power cut `power_off_ms`.
    `data_limit_mb` (10^6 bytes between two `data_reset_day`s, 1..28) is what remsimd itself may send and
    receive, 0 any.
    """

    name: str
    enabled: bool = True
    role: Role = Role.PRIMARY
    driver: str = "auto"
    match: tuple[Match, ...] = ()
    interface: str | None = None
    sim: SimSource = SimSource.LOCAL
    sim_slot: int | None = None
    sim_select_line: GpioLine | None = None
    sim_select_remote: bool = True
    reset_line: GpioLine | None = None
    reset_active_high: bool = True
    reset_pulse_ms: int = 500
    power_line: GpioLine | None = None
    power_off_ms: int = 2000
    poll_interval_s: int = 10
    data_limit_mb: int = 0
    data_reset_day: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontendConfig:
    """A section `frontend`; `usb_path` and `usb_interface` are for cardem, `host` and `port` for vpcd."""

    name: str
    modem: str
    type: FrontendType
    usb_path: str | None = None
    usb_interface: int | None = None
    host: str = "127.0.0.1"
    port: int = 35963


@dataclass(frozen=True, slots=True, kw_only=True)
class RsproConfig:
    """Section `rspro`; client, bank and slot ids are 0..1023.

    `bankd_allow` are the networks a server may send us to: empty means its own and the assignment's
    hosts. `via` is a role, a modem or `any`, whose link carries the connections.
    """

    connect_mode: ConnectMode = ConnectMode.AUTO
    server_host: str | None = None
    server_port: int = 9998
    bankd_host: str | None = None
    bankd_port: int = 9999
    client_id: int | None = None
    client_slot: int = 0
    bank_id: int | None = None
    bank_slot: int | None = None
    bankd_allow: tuple[Network, ...] = ()
    via: str = "secondary"


@dataclass(frozen=True, slots=True, kw_only=True)
class IonmeshConfig:
    """Section `ionmesh`; the files are PEM, `api_key_file` holds one word.

    Heartbeats go out every `interval_s`, over a link with a data limit every `metered_interval_s`, where
    the orchestrator asks for nothing else. A call may take `timeout_s`.
    """

    enabled: bool = False
    url: str | None = None
    tenant_id: int = 1
    client_name: str | None = None
    mapping_mode: MappingMode = MappingMode.ONE_TO_ONE_SWSIM
    mcc_mnc: str | None = None
    carrier: str | None = None
    preferred_bank_id: int | None = None
    api_key_file: str | None = None
    api_key: str | None = field(default=None, repr=False)
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    insecure: bool = False
    tls_min: str = "1.2"
    interval_s: int = 60
    metered_interval_s: int = 600
    timeout_s: int = 10
    legacy_proxy: bool = False
    via: str = "secondary"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailoverConfig:
    """Section `failover`.

    A round passes when `reliability` targets answer within `timeout_s`. `down` failed rounds in a row
    make a link DOWN, `up` passed ones UP again. Data returns to a better link after `hold_down_s` of
    UP, doubled by each flap up to `hold_down_max_s`.
    """

    enabled: bool = True
    targets: tuple[ProbeTarget, ...] = (
        ProbeTarget(ProbeKind.ICMP, "1.1.1.1"),
        ProbeTarget(ProbeKind.ICMP, "9.9.9.9"),
    )
    reliability: int = 1
    down: int = 3
    up: int = 5
    interval_s: float = 5.0
    fast_interval_s: float = 1.0
    timeout_s: float = 1.5
    hold_down_s: float = 60.0
    hold_down_max_s: float = 900.0
    routing: Routing = Routing.POLICY
    secondary_carries: SecondaryCarries = SecondaryCarries.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryConfig:
    """Section `recovery`; the actions are counted for each modem."""

    enabled: bool = True
    max_actions_per_hour: int = 6
    sim_fallback_local: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Section `metrics`; `listen_interface` is a network device, `loopback` or `any`."""

    enabled: bool = True
    listen_interface: str = "loopback"
    listen_port: int = 9090
    textfile: str | None = None
    process: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """Section `history`; `path` is a folder in RAM, `days` how far the coarsest values reach back."""

    enabled: bool = True
    days: int = 30
    path: str = "/var/lib/remsim"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """A section `alert`: fires when `metric` is beyond a threshold, in its own unit, for `for_s`."""

    name: str
    metric: str
    above: float | None = None
    below: float | None = None
    for_s: int = 0
    hysteresis: float = 0.0
    severity: str = "warning"
    webhook: str | None = None
    webhook_key_file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration; `warnings` are texts for people about options not understood."""

    main: MainConfig = MainConfig()
    modems: tuple[ModemConfig, ...] = ()
    frontends: tuple[FrontendConfig, ...] = ()
    rspro: RsproConfig = RsproConfig()
    ionmesh: IonmeshConfig = IonmeshConfig()
    failover: FailoverConfig = FailoverConfig()
    recovery: RecoveryConfig = RecoveryConfig()
    metrics: MetricsConfig = MetricsConfig()
    history: HistoryConfig = HistoryConfig()
    alerts: tuple[AlertConfig, ...] = ()
    warnings: tuple[str, ...] = ()
