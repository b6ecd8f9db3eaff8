"""Wrong settings for every option, and settings that do not fit together.

The wrong ones are made from the daemon's own tables: of a list of nonsense and near misses those that
an option's reader refuses, and what lies beyond its bounds.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from remsimd.config import uci
from remsimd.config.options import TABLES, Row
from remsimd.config.readers import NotAllowedError
from remsimd.config.uci import Option
from tests.openwrt.luci.test_files import SCHEMA

EVERYTHING = """\
config remsim 'main'
	option enabled '1'

config modem 'primary'
	option role 'primary'
	list match 'usb:1-1.1'
	option interface 'wwan0'
	option sim 'remote'
	option sim_select_line 'sim1'

config modem 'secondary'
	option role 'secondary'
	list match 'usb:1-1.2'
	option interface 'wwan1'

config modem 'spare'
	option role 'primary'
	list match 'usb:1-1.3'
	option interface 'wwan2'

config frontend 'reader'
	option modem 'primary'
	option type 'cardem'

config frontend 'virtual'
	option modem 'spare'
	option type 'vpcd'

config rspro 'rspro'

config ionmesh 'ionmesh'
	option enabled '1'
	option insecure '1'
	option host 'ionmesh.example.com'

config failover 'failover'

config recovery 'recovery'

config metrics 'metrics'

config history 'history'

config alert 'weak'
	option metric 'remsim_signal_rsrp_dbm'
	option below '-110'
	option webhook 'https://alerts.example.com/'
"""
"""A section of each type in which every option makes sense."""

PLACES = {
    section.name: section.type for section in uci.parse(EVERYTHING).sections if section.name is not None
}
NONSENSE = (
    "no such thing!",
    "ä",
    "it's",
    "both \" and ' quotes",
    "back\\slash",
    "$(reboot)",
    "relative/path",
    "-",
    "21",
    "usb:x",
    "imei:123",
    "pci:0000:99",
    "id:2c7c",
    "tcp:host",
    "icmp:host:1",
    "dns:host:70000",
    "10.0.0.1/8",
    "1.2.3",
    "host..name",
    "ftp://host",
    "https://",
    "https://user:secret@host",
    "https://host:0",
    "mdns:",
    "1234",
    "at-csim",
    "9" * 400,
)
NO_NUMBERS = ("abc", "", "1,5", "1e3", "0x10", "²", "+1", "1 ", "-0x1", "nan", "1" * 10)
ROUNDS = 8


def kind(row: Row) -> str:
    told: str = SCHEMA["kind"](row)["kind"]
    return told


def refuses(row: Row, text: str) -> bool:
    try:
        row.reader.read(text)
    except NotAllowedError:
        return True
    return False


def wrong_numbers(row: Row) -> list[str]:
    about = SCHEMA["kind"](row)
    beyond = [
        f"{about['low'] - 1:.0f}",
        f"{about['high'] + 1:.0f}",
        f"{about['low']}.5" if about["low"] else "",
    ]
    beyond += [f"{about['low'] - 0.01:.2f}", f"{about['high'] + 0.001:.3f}"]
    return [text for text in (*beyond, *NO_NUMBERS) if text and refuses(row, text)]


def wrong_texts(row: Row) -> list[str]:
    return [text for text in NONSENSE if refuses(row, text)]


def rows(*kinds: str) -> Iterator[tuple[str, Row]]:
    for section, type_ in PLACES.items():
        yield from ((section, row) for row in TABLES[type_].rows if kind(row) in kinds)


def in_rounds(made: Callable[[Row], list[str]], *kinds: str) -> list[list[tuple[str, str, str]]]:
    """One wrong value for each option a round; an option with few of them begins anew."""
    found = [(section, row, made(row)) for section, row in rows(*kinds)]
    count = min(ROUNDS, max(len(values) for _, _, values in found))
    spread = [
        (section, row.option, values, max(len(values) // count, 1))
        for section, row, values in found
        if values
    ]
    return [
        [(section, option, values[number * step % len(values)]) for section, option, values, step in spread]
        for number in range(count)
    ]


def with_values(text: str, values: list[tuple[str, str, str]]) -> str:
    """The text with these options set so."""
    package = uci.parse(text)
    chosen = {(section, option): value for section, option, value in values}
    changed = []
    for section in package.sections:
        options = {option.name: option for option in section.options}
        for (name, option), value in chosen.items():
            if name == section.name:
                options[option] = Option(option, (value,), False)
        changed.append(replace(section, options=tuple(options.values())))
    return uci.dump(replace(package, sections=tuple(changed)))


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Values that are fine one by one, and what the daemon must object to together."""

    values: list[tuple[str, str, str]]
    words: tuple[str, ...]
    added: tuple[str, str] | None = None
    """Type and name of a section that is made before."""


REMOTE_ALONE = [("ionmesh", "enabled", "0")]
CONTRADICTIONS = {
    "no-primary": Contradiction(
        [("primary", "enabled", "0"), ("spare", "enabled", "0")],
        ("needs at least one modem section that is enabled and has role primary",),
    ),
    "modem-any": Contradiction(
        [("any", "match", "usb:1-1.4")],
        ("a modem cannot be called 'any': it means normal routing",),
        added=("modem", "any"),
    ),
    "role-of-its-name": Contradiction(
        [("secondary", "role", "primary")], ("a modem called 'secondary' must have that role",)
    ),
    "line-twice": Contradiction(
        [("primary", "reset_line", "gpiochip0:3"), ("primary", "power_line", "gpiochip0:3")],
        ("the line gpiochip0:3 is given for two purposes",),
    ),
    "no-frontend": Contradiction(
        [("reader", "modem", "secondary")], ("needs a frontend section with modem set to this one",)
    ),
    "no-match": Contradiction(
        [("primary", "match", ""), ("spare", "match", "")],
        ("must be set where several modems could fit; only one modem may go without",),
    ),
    "same-interface": Contradiction(
        [("spare", "interface", "wwan0")], ("modem primary has this interface already",)
    ),
    "same-match": Contradiction([("spare", "match", "usb:1-1.1")], ("modem primary has this match already",)),
    "frontend-of-nobody": Contradiction(
        [("virtual", "modem", "nobody")], ("there is no such modem section; allowed: primary, secondary",)
    ),
    "frontend-twice": Contradiction(
        [("virtual", "modem", "primary")], ("frontend reader presents the card to this modem already",)
    ),
    "no-client": Contradiction(
        REMOTE_ALONE,
        (
            "must be set, because the remote SIM is used and ionmesh, which would say it, is not enabled",
            "(or bankd_host)",
        ),
    ),
    "no-server": Contradiction(
        [*REMOTE_ALONE, ("rspro", "connect_mode", "server")], ("ionmesh, which would say it, is not",)
    ),
    "no-bankd": Contradiction(
        [*REMOTE_ALONE, ("rspro", "connect_mode", "bankd")],
        ("must be set: without a server and ionmesh nobody else says where our card is",),
    ),
    "no-url": Contradiction([("ionmesh", "host", "")], ("must be set; allowed: https://host:port",)),
    "plain-http": Contradiction(
        [("ionmesh", "insecure", "0")], ("plain http shows the key and the card's identity to everyone",)
    ),
    "proxy-of-no-network": Contradiction(
        [("ionmesh", "mapping_mode", "KI_PROXY_SWSIM")], ("must be set for mapping_mode KI_PROXY_SWSIM",)
    ),
    "certificate-alone": Contradiction(
        [("ionmesh", "client_cert", "/etc/ssl/a.pem")],
        ("must be set: client_cert and client_key belong together",),
    ),
    "key-alone": Contradiction(
        [("ionmesh", "client_key", "/etc/ssl/a.key")],
        ("must be set: client_cert and client_key belong together",),
    ),
    "via-nobody": Contradiction(
        [("rspro", "via", "nobody"), ("ionmesh", "via", "nobody")], ("no such modem is enabled; allowed:",)
    ),
    "via-disabled": Contradiction(
        [("rspro", "via", "spare"), ("spare", "enabled", "0")], ("no such modem is enabled; allowed:",)
    ),
    "too-reliable": Contradiction(
        [("failover", "reliability", "9")], ("only 2 targets are given, so no round could pass",)
    ),
    "fast-is-slow": Contradiction(
        [("failover", "fast_interval", "30")], ("must not be longer than interval (5)",)
    ),
    "hold-down-falls": Contradiction(
        [("failover", "hold_down", "3600")], ("must not be shorter than hold_down (3600)",)
    ),
    "alert-of-nothing": Contradiction(
        [("weak", "below", "")], ("needs above or below, or it could never fire",)
    ),
    "key-for-everybody": Contradiction(
        [("ionmesh", "api_key_file", "/etc/hostname")],
        ("every user of the router may read or write the key; chmod 600 /etc/hostname",),
    ),
    "no-metric": Contradiction(
        [("hot", "above", "80")], ("must be set; allowed: the name of a metric",), added=("alert", "hot")
    ),
}
OUT_OF_REACH = {
    "a secondary modem keeps the router reachable and must use its local SIM; allowed: local",
    "is only for type cardem",
    "must name at least one target",
}
"""The form hides the option then, or takes an empty list for the default one."""
PARTS = {"none is configured", "; allowed: 0 to 1023"}
"""What sentences end with."""
