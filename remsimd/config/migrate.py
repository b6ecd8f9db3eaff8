"""The configuration of osmo-remsim's OpenWrt fork, read once and written anew in this program's terms.

Values are kept where they mean the same. What has no counterpart, or was never used by the
fork itself, is named in a note instead of being guessed.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from remsimd import files
from remsimd.config import uci
from remsimd.config.load import parse
from remsimd.config.options import FORK_PORT, RSPRO
from remsimd.config.readers import BOOLEAN, NotAllowedError, Reader, is_open
from remsimd.config.uci import Option, Package, Section
from remsimd.errors import ConfigError, Mistake

FORK_SECTIONS = frozenset(
    (
        *("service", "client", "server", "modems", "modem1", "modem2", "monitoring"),
        *("routing", "heartbeat", "security", "advanced", "logging"),
    )
)
"""Names, and in most files types, of the fork's sections; `ionmesh` is both the fork's and ours."""
SAVED_SUFFIX = ".fork"
GPIO_CHIP = "gpiochip0"
FORK_SCRIPTS = frozenset(("/etc/remsim/event-script.sh", "/usr/share/osmo-remsim/openwrt-event-script.sh"))
"""Scripts the fork ships, which switch the SIM themselves: the daemon does that now."""
PLACEHOLDER_HOSTS = frozenset(("remsim.example.com", "ionmesh.example.com"))
_UNUSED = {
    "server.atr": "the remote card's own ATR is used",
    "server.atr_ignore_rspro": "the remote card's own ATR is used",
    "modems.device": "used by nothing in the fork",
    "monitoring.signal_monitoring": "signal is always read",
    "monitoring.stats_interval": "see the metrics section",
    "monitoring.track_data_usage": "data is always counted",
    "logging.log_categories": "categories of another program",
    "logging.syslog": "the daemon logs to syslog",
    "advanced.keep_running": "procd keeps it running",
    "security.use_tls": "the url says whether TLS is used",
}


@dataclass(frozen=True, slots=True)
class Migrated:
    """The new file's text, and for people what could not be carried over, with the reason."""

    text: str
    notes: tuple[str, ...]


def is_fork(package: Package) -> bool:
    """Whether a file is the fork's: only it has these sections."""
    return any({section.name, section.type} & FORK_SECTIONS for section in package.sections)


def migrate(text: str) -> Migrated:
    """The fork's file in this program's terms; raises `UciError` for text that is not UCI."""
    package = uci.parse(text)
    reading = _Fork(package)
    sections = tuple(_section(kind, name, options) for kind, name, options in reading.sections() if options)
    result = uci.dump(Package(sections))
    try:
        parse(result, "the migrated configuration")
    except ConfigError as error:
        # A router that cannot start is no better than one that says what is missing.
        reading.notes += [f"to be completed by hand: {mistake}" for mistake in error.mistakes]
        result = result.replace("option enabled '1'", "option enabled '0'", 1)
    return Migrated(result, tuple(reading.notes))


def migrate_file(path: Path) -> Migrated | None:
    """Convert a file in place, the old one kept beside it (`.fork`); None where it is not the fork's.

    Raises `ConfigError` where the file cannot be read or written, with nothing changed.
    """
    try:
        text = path.read_text("utf-8")
        if not is_fork(uci.parse(text)):
            return None
        migrated = migrate(text)
        saved = path.with_name(path.name + SAVED_SUFFIX)
        if not saved.exists():
            shutil.copy2(path, saved)
        files.replace(path, migrated.text.encode())
    except (OSError, UnicodeDecodeError, uci.UciError) as error:
        mistake = Mistake("file", None, None, f"cannot be migrated: {error}")
        raise ConfigError(str(path), (mistake,)) from error
    return migrated


_Options = dict[str, str]


class _Fork:
    """What the fork's file says, section by section."""

    def __init__(self, package: Package) -> None:
        self.notes: list[str] = []
        self._values: dict[str, str] = {}
        for section in package.sections:
            name = section.name or section.type
            for option in section.options:
                self._values[f"{name}.{option.name}"] = " ".join(option.values)
        self._used: set[str] = set()

    def sections(self) -> Iterator[tuple[str, str, _Options]]:
        """Type, name and options of each new section."""
        yield "remsim", "main", self._main()
        yield from self._modems()
        yield "rspro", "rspro", self._rspro()
        yield "ionmesh", "ionmesh", self._ionmesh()
        for place in sorted(set(self._values) - self._used):
            self.notes.append(f"{place} not carried over: {_UNUSED.get(place, 'it has no counterpart')}")

    def _take(self, place: str, reader: Reader | None = None) -> str | None:
        """A value, None where it is not set or cannot be right, which is noted."""
        self._used.add(place)
        value = self._values.get(place)
        if value is None or reader is None:
            return value
        try:
            reader.read(value)
        except NotAllowedError:
            self.notes.append(f"{place} = {value!r} not carried over: allowed is {reader.allowed}")
            return None
        return value

    def _true(self, place: str) -> bool:
        value = self._take(place, BOOLEAN)
        return value is not None and bool(BOOLEAN.read(value))

    def _main(self) -> _Options:
        found = {"enabled": "1" if self._true("service.enabled") else "0"}
        if self._true("logging.debug"):
            found["log_level"] = "debug"
        script = self._take("advanced.event_script")
        if script is not None and script not in FORK_SCRIPTS:
            found["event_script"] = script
        elif script is not None:
            self.notes.append(f"advanced.event_script {script} left out: the daemon switches the SIM itself")
        return found

    def _modems(self) -> Iterator[tuple[str, str, _Options]]:
        dual = self._true("modems.dual_modem")
        first = "modem1" if dual else "modems"
        primary = {"role": "primary", **self._modem(first)}
        interval = self._take("monitoring.signal_interval")
        if interval is not None and interval.isdigit() and 2 <= int(interval) <= 3600:
            primary["poll_interval"] = interval
        if "sim_select_line" in primary:
            self.notes.append(
                f"{first}: sim stays 'local' until a frontend section says what presents the remote card"
            )
        yield "modem", "primary", primary
        if not dual:
            for place in tuple(self._values):
                if place.startswith(("modem1.", "modem2.")):
                    self._used.add(place)
            return
        secondary = {"role": "secondary", **self._modem("modem2")}
        interface = self._take("routing.iot_interface")
        if interface is not None:
            secondary["interface"] = interface
        # The fork kept this modem's SIM fixed: its line is not ours to switch.
        secondary.pop("sim_select_line", None)
        secondary.pop("sim_select_remote", None)
        yield "modem", "secondary", secondary

    def _modem(self, section: str) -> _Options:
        found: _Options = {}
        device = self._take(f"{section}.device")
        if device is not None and section != "modems" and device.startswith("/dev/tty"):
            found["match"] = f"tty:{device}"
        for option, line in (("sim_switch_gpio", "sim_select_line"), ("reset_gpio", "reset_line")):
            number = self._take(f"{section}.{option}")
            if number is not None and number.isdigit() and len(number) <= 4:
                found[line] = f"{GPIO_CHIP}:{number}"
        if "sim_select_line" in found:
            found["sim_select_remote"] = "1"
        return found

    def _rspro(self) -> _Options:
        found: _Options = {}
        places = ("client.client_id", "client.client_slot", "server.port")
        for place in places:
            option = place.replace("client.", "").replace(".", "_")
            value = self._take(place, _RSPRO[option])
            if value is not None:
                found[option] = value
        host = self._take("server.host", _RSPRO["server_host"])
        if host is not None and host not in PLACEHOLDER_HOSTS:
            found["server_host"] = host
        if self._take("routing.force_iot_routing") is not None and not self._true(
            "routing.force_iot_routing"
        ):
            found["via"] = "any"
        return found

    def _ionmesh(self) -> _Options:
        found: _Options = {}
        if self._take("ionmesh.enabled") is not None:
            found["enabled"] = "1" if self._true("ionmesh.enabled") else "0"
        host, port = self._take("ionmesh.host"), self._take("ionmesh.port") or str(FORK_PORT)
        if host is not None and host not in PLACEHOLDER_HOSTS:
            scheme = "https" if self._values.get("security.use_tls") == "1" else "http"
            found["url"] = f"{scheme}://{host}:{port}"
            if is_open(found["url"]):
                # What the fork does already; the warning on each start is the daemon's.
                found["insecure"] = "1"
                self.notes.append(f"ionmesh: {found['url']} is not encrypted; set an https url, insecure 0")
        for place, (option, allowed) in _IONMESH.items():
            value = self._take(place)
            if value is not None and allowed(value):
                found[option] = value
        return found


def _section(kind: str, name: str, options: Mapping[str, str]) -> Section:
    lists = ("match",)
    values = tuple(Option(key, (value,), is_list=key in lists) for key, value in options.items())
    return Section(kind, name, 0, values)


def _within(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: text.isascii() and text.isdigit() and low <= int(text) <= high


def _anything(text: str) -> bool:
    return bool(text)


_RSPRO = {row.option: row.reader for row in RSPRO.rows}
_IONMESH = {
    "ionmesh.tenant_id": ("tenant_id", _within(1, 999_999_999)),
    "ionmesh.mapping_mode": ("mapping_mode", _anything),
    "ionmesh.mcc_mnc": ("mcc_mnc", _anything),
    "heartbeat.interval": ("interval", _within(10, 3600)),
    "heartbeat.timeout": ("timeout", _within(1, 60)),
    "security.ca_cert": ("ca_cert", lambda path: path not in ("", "/etc/ssl/certs/ca-certificates.crt")),
    "security.client_cert": ("client_cert", _anything),
    "security.client_key": ("client_key", _anything),
}


def main(arguments: list[str]) -> int:
    """`python3 -m remsimd.config.migrate FILE`: convert it, say what was not carried over.

    The exit status: 1 where it cannot be read or written, 2 for a wrong command line.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("Usage: python3 -m remsimd.config.migrate FILE\n")
        return 2
    try:
        migrated = migrate_file(Path(arguments[0]))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for note in () if migrated is None else migrated.notes:
        sys.stdout.write(f"{arguments[0]}: {note}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
