"""Every option of /etc/config/remsim: one row each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from remsimd.config import model, readers
from remsimd.config.readers import (
    BOOLEAN,
    GPIO,
    HOST,
    INTERFACE,
    LABEL,
    PATH,
    PORT,
    Reader,
    decimal,
    one_of,
    shaped,
    whole,
    words,
)

RSPRO_ID = whole(0, 1023)
"""ClientId, BankId and SlotNumber are INTEGER (0..1023) in RSPRO."""

FORK_PORT = 5000
"""The orchestrator port of routers that were configured with `host` and `port`."""


@dataclass(frozen=True, slots=True)
class Row:
    """One option: its name in the file, how it is read, and its field in the model.

    `many` marks a list; the file may give it as `list` lines or as one option of words.
    """

    option: str
    reader: Reader
    field: str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A section type: its rows, and whether any number of it or at most one is allowed.

    `model` is the dataclass that its values are given to, and its `name` where repeated.
    """

    kind: str
    model: Callable[..., Any]
    rows: tuple[Row, ...]
    repeated: bool = False
    required: tuple[str, ...] = ()


def _row(option: str, reader: Reader, into: str | None = None, *, many: bool = False) -> Row:
    return Row(option, reader, option if into is None else into, many)


_VIA = shaped(r"[A-Za-z0-9_@\[\]-]+", "primary, secondary, any or the name of a modem")
_LEVEL = words({"high": True, "low": False})
_MODEM_REFERENCE = shaped(r"[A-Za-z0-9_@\[\]-]+", "the name of a modem section")

CLIENT_NAME = shaped(r"[A-Za-z0-9._:@-]{1,128}", "1 to 128 letters, digits and characters of . _ : @ -")

MAIN = Table(
    "remsim",
    model.MainConfig,
    (
        _row("enabled", BOOLEAN),
        _row("log_level", words({level: level for level in ("debug", "info", "warning", "error")})),
        _row("log_apdu", BOOLEAN),
        _row("state_dir", PATH),
        _row("event_script", PATH),
    ),
)

MODEM = Table(
    "modem",
    model.ModemConfig,
    (
        _row("enabled", BOOLEAN),
        _row("role", one_of(model.Role)),
        _row("driver", words({d: d for d in ("auto", "fibocom", "sierra", "quectel", "generic")})),
        _row("match", readers.MATCH, many=True),
        _row("interface", INTERFACE),
        _row("sim", one_of(model.SimSource)),
        _row("sim_slot", whole(1, 2)),
        _row("sim_select_line", GPIO),
        _row("sim_select_remote", words({"1": True, "0": False})),
        _row("reset_line", GPIO),
        _row("reset_active", _LEVEL, "reset_active_high"),
        _row("reset_pulse_ms", whole(10, 60000, "milliseconds")),
        _row("power_line", GPIO),
        _row("power_off_ms", whole(10, 60000, "milliseconds")),
        _row("poll_interval", whole(2, 3600, "seconds"), "poll_interval_s"),
        _row("data_limit_mb", whole(0, 1_000_000, "megabytes")),
        _row("data_reset_day", whole(1, 28)),
    ),
    repeated=True,
)

FRONTEND = Table(
    "frontend",
    model.FrontendConfig,
    (
        _row("modem", _MODEM_REFERENCE),
        _row("type", readers.FRONTEND),
        _row("usb_path", readers.USB_PATH),
        _row("usb_interface", whole(0, 255)),
        _row("host", HOST),
        _row("port", PORT),
    ),
    repeated=True,
    required=("modem", "type"),
)

RSPRO = Table(
    "rspro",
    model.RsproConfig,
    (
        _row("connect_mode", one_of(model.ConnectMode)),
        _row("server_host", HOST),
        _row("server_port", PORT),
        _row("bankd_host", HOST),
        _row("bankd_port", PORT),
        _row("client_id", RSPRO_ID),
        _row("client_slot", RSPRO_ID),
        _row("bank_id", RSPRO_ID),
        _row("bank_slot", RSPRO_ID),
        _row("bankd_allow", readers.NETWORK, many=True),
        _row("via", _VIA),
    ),
)

IONMESH = Table(
    "ionmesh",
    model.IonmeshConfig,
    (
        _row("enabled", BOOLEAN),
        _row("url", readers.ORCHESTRATOR_URL),
        # Read into fields the model does not have: `load` makes the url of them.
        _row("host", HOST, "fork_host"),
        _row("port", PORT, "fork_port"),
        _row("tenant_id", whole(1, 999_999_999)),
        _row("client_name", CLIENT_NAME),
        _row("mapping_mode", one_of(model.MappingMode)),
        _row("mcc_mnc", readers.MCC_MNC),
        _row("carrier", LABEL),
        # IonMesh numbers banks from 1: its deployed clients refuse 0.
        _row("preferred_bank_id", whole(1, 1023)),
        _row("api_key_file", PATH),
        _row("api_key", shaped(r"[!-~]{1,256}", "1 to 256 printable ASCII characters without spaces")),
        _row("ca_cert", PATH),
        _row("client_cert", PATH),
        _row("client_key", PATH),
        _row("insecure", BOOLEAN),
        _row("tls_min", words({version: version for version in ("1.2", "1.3")})),
        _row("interval", whole(10, 3600, "seconds"), "interval_s"),
        _row("metered_interval", whole(10, 3600, "seconds"), "metered_interval_s"),
        _row("timeout", whole(1, 60, "seconds"), "timeout_s"),
        _row("legacy_proxy", BOOLEAN),
        _row("via", _VIA),
    ),
)

FAILOVER = Table(
    "failover",
    model.FailoverConfig,
    (
        _row("enabled", BOOLEAN),
        _row("targets", readers.TARGET, many=True),
        _row("reliability", whole(1, 16)),
        _row("down", whole(1, 100)),
        _row("up", whole(1, 100)),
        _row("interval", decimal(0.5, 3600, "seconds"), "interval_s"),
        _row("fast_interval", decimal(0.1, 3600, "seconds"), "fast_interval_s"),
        _row("timeout", decimal(0.1, 60, "seconds"), "timeout_s"),
        _row("hold_down", decimal(0, 86400, "seconds"), "hold_down_s"),
        _row("hold_down_max", decimal(0, 86400, "seconds"), "hold_down_max_s"),
        _row("routing", one_of(model.Routing)),
        _row("secondary_carries", one_of(model.SecondaryCarries)),
    ),
)

RECOVERY = Table(
    "recovery",
    model.RecoveryConfig,
    (
        _row("enabled", BOOLEAN),
        _row("max_actions_per_hour", whole(0, 60)),
        _row("sim_fallback", words({"local": True, "off": False}), "sim_fallback_local"),
    ),
)

METRICS = Table(
    "metrics",
    model.MetricsConfig,
    (
        _row("enabled", BOOLEAN),
        _row("listen_interface", INTERFACE),
        _row("listen_port", PORT),
        _row("textfile", PATH),
        _row("process", BOOLEAN),
    ),
)

HISTORY = Table(
    "history",
    model.HistoryConfig,
    (_row("enabled", BOOLEAN), _row("days", whole(1, 366, "days")), _row("path", PATH)),
)

ALERT = Table(
    "alert",
    model.AlertConfig,
    (
        _row(
            "metric", shaped(r"[A-Za-z_:][A-Za-z0-9_:]*", "the name of a metric, like remsim_signal_rssi_dbm")
        ),
        _row("above", decimal(-1e9, 1e9)),
        _row("below", decimal(-1e9, 1e9)),
        _row("for", whole(0, 86400, "seconds"), "for_s"),
        _row("hysteresis", decimal(0, 1e9)),
        _row("severity", words({s: s for s in ("info", "warning", "critical")})),
        _row("webhook", readers.WEBHOOK),
        _row("webhook_key_file", PATH),
    ),
    repeated=True,
    required=("metric",),
)

TABLES = {
    table.kind: table
    for table in (MAIN, MODEM, FRONTEND, RSPRO, IONMESH, FAILOVER, RECOVERY, METRICS, HISTORY, ALERT)
}
