"""What must hold between options; each check sees the whole configuration."""

from collections.abc import Iterator

from remsimd.config.model import (
    Config,
    ConnectMode,
    FrontendType,
    MappingMode,
    ModemConfig,
    Role,
    SimSource,
)
from remsimd.config.readers import is_open
from remsimd.errors import Mistake

VIA_ANY = "any"


def mistakes(config: Config, incomplete: frozenset[str] = frozenset()) -> list[Mistake]:
    """Everything that cannot be meant, in the order of the sections.

    A section that exists once is called by its type. `incomplete` names the section types of
    which a section is missing here because it could not be read.
    """
    return [
        *_modems(config),
        *([] if "frontend" in incomplete else _without_frontend(config)),
        *_modem_pairs(config),
        *_frontends(config),
        *_rspro(config),
        *_ionmesh(config),
        *_via(config),
        *_failover(config),
        *_alerts(config),
    ]


def warnings(config: Config) -> list[str]:
    """What works and is unwise."""
    found = []
    if config.ionmesh.api_key is not None:
        found.append(
            "ionmesh.api_key: every user who may read the configuration reads the key; use api_key_file"
        )
        if config.ionmesh.api_key_file is not None:
            found.append("ionmesh.api_key: not used, because api_key_file is set")
    return found


def _enabled(config: Config) -> list[ModemConfig]:
    return [modem for modem in config.modems if modem.enabled]


def _modems(config: Config) -> Iterator[Mistake]:
    modems = _enabled(config)
    if config.main.enabled and not any(modem.role is Role.PRIMARY for modem in modems):
        problem = "needs at least one modem section that is enabled and has role primary"
        yield Mistake("remsim", "enabled", "1", problem)
    for modem in config.modems:
        if modem.name == VIA_ANY:
            yield Mistake(modem.name, None, None, "a modem cannot be called 'any': it means normal routing")
        if modem.name in list(Role) and modem.name != modem.role:
            problem = f"a modem called {modem.name!r} must have that role"
            yield Mistake(modem.name, "role", modem.role.value, problem)
        if modem.role is Role.SECONDARY and modem.sim is SimSource.REMOTE:
            problem = (
                "a secondary modem keeps the router reachable and must use its local SIM; allowed: local"
            )
            yield Mistake(modem.name, "sim", modem.sim.value, problem)
        lines = [modem.sim_select_line, modem.reset_line, modem.power_line]
        used = [str(line) for line in lines if line is not None]
        for line in sorted({line for line in used if used.count(line) > 1}):
            yield Mistake(modem.name, None, None, f"the line {line} is given for two purposes")


def _without_frontend(config: Config) -> Iterator[Mistake]:
    served = {frontend.modem for frontend in config.frontends}
    for modem in _enabled(config):
        remote = modem.role is Role.PRIMARY and modem.sim is SimSource.REMOTE
        if remote and modem.name not in served:
            problem = "needs a frontend section with modem set to this one, which presents the card"
            yield Mistake(modem.name, "sim", modem.sim.value, problem)


def _modem_pairs(config: Config) -> Iterator[Mistake]:
    modems = _enabled(config)
    unmatched = [modem for modem in modems if not modem.match]
    if len(unmatched) > 1:
        for modem in unmatched:
            problem = "must be set where several modems could fit; only one modem may go without"
            yield Mistake(modem.name, "match", None, problem)
    for number, modem in enumerate(modems):
        for other in modems[:number]:
            if modem.interface is not None and modem.interface == other.interface:
                problem = f"modem {other.name} has this interface already"
                yield Mistake(modem.name, "interface", modem.interface, problem)
            # Two modems of one kind share `id:`; a place or an IMEI belongs to one modem.
            for match in modem.match:
                if match in other.match and match.by != "id":
                    yield Mistake(
                        modem.name, "match", str(match), f"modem {other.name} has this match already"
                    )


def _frontends(config: Config) -> Iterator[Mistake]:
    names = [modem.name for modem in config.modems]
    served: dict[str, str] = {}
    for frontend in config.frontends:
        if frontend.modem not in names:
            problem = f"there is no such modem section; allowed: {', '.join(names) or 'none is configured'}"
            yield Mistake(frontend.name, "modem", frontend.modem, problem)
        elif frontend.modem in served:
            problem = f"frontend {served[frontend.modem]} presents the card to this modem already"
            yield Mistake(frontend.name, "modem", frontend.modem, problem)
        served.setdefault(frontend.modem, frontend.name)
        if frontend.usb_path is not None and frontend.type is not FrontendType.CARDEM:
            yield Mistake(frontend.name, "usb_path", frontend.usb_path, "is only for type cardem")


def _rspro(config: Config) -> Iterator[Mistake]:
    rspro = config.rspro
    remote = any(modem.sim is SimSource.REMOTE for modem in _enabled(config))
    if not remote or config.ionmesh.enabled:
        return
    alone = "must be set, because the remote SIM is used and ionmesh, which would say it, is not enabled"
    if rspro.client_id is None:
        yield Mistake("rspro", "client_id", None, f"{alone}; allowed: 0 to 1023")
    match rspro.connect_mode:
        case ConnectMode.SERVER if rspro.server_host is None:
            yield Mistake("rspro", "server_host", None, alone)
        case ConnectMode.BANKD if rspro.bankd_host is None:
            yield Mistake("rspro", "bankd_host", None, alone)
        case ConnectMode.AUTO if rspro.server_host is None and rspro.bankd_host is None:
            yield Mistake("rspro", "server_host", None, f"{alone} (or bankd_host)")
    direct = rspro.bankd_host is not None and rspro.server_host is None
    if direct or rspro.connect_mode is ConnectMode.BANKD:
        for option, value in (("bank_id", rspro.bank_id), ("bank_slot", rspro.bank_slot)):
            if value is None:
                problem = "must be set: without a server and ionmesh nobody else says where our card is"
                yield Mistake("rspro", option, None, f"{problem}; allowed: 0 to 1023")


def _ionmesh(config: Config) -> Iterator[Mistake]:
    ionmesh = config.ionmesh
    if ionmesh.enabled and ionmesh.url is None:
        yield Mistake("ionmesh", "url", None, "must be set; allowed: https://host:port")
    if ionmesh.url is not None and not ionmesh.insecure and is_open(ionmesh.url):
        problem = (
            "plain http shows the key and the card's identity to everyone on the way; use https or insecure 1"
        )
        yield Mistake("ionmesh", "url", ionmesh.url, problem)
    if ionmesh.enabled and ionmesh.mapping_mode is MappingMode.KI_PROXY_SWSIM and ionmesh.mcc_mnc is None:
        yield Mistake("ionmesh", "mcc_mnc", None, "must be set for mapping_mode KI_PROXY_SWSIM")
    if (ionmesh.client_cert is None) != (ionmesh.client_key is None):
        missing = "client_cert" if ionmesh.client_cert is None else "client_key"
        yield Mistake("ionmesh", missing, None, "must be set: client_cert and client_key belong together")


def _via(config: Config) -> Iterator[Mistake]:
    names = [*Role, VIA_ANY, *(modem.name for modem in _enabled(config))]
    for section, via in (("rspro", config.rspro.via), ("ionmesh", config.ionmesh.via)):
        if via not in names:
            yield Mistake(section, "via", via, f"no such modem is enabled; allowed: {', '.join(names)}")


def _failover(config: Config) -> Iterator[Mistake]:
    failover = config.failover
    if not failover.targets:
        yield Mistake("failover", "targets", None, "must name at least one target")
    elif failover.reliability > len(failover.targets):
        problem = f"only {len(failover.targets)} targets are given, so no round could pass"
        yield Mistake("failover", "reliability", str(failover.reliability), problem)
    if failover.fast_interval_s > failover.interval_s:
        problem = f"must not be longer than interval ({failover.interval_s:g})"
        yield Mistake("failover", "fast_interval", f"{failover.fast_interval_s:g}", problem)
    if failover.hold_down_max_s < failover.hold_down_s:
        problem = f"must not be shorter than hold_down ({failover.hold_down_s:g})"
        yield Mistake("failover", "hold_down_max", f"{failover.hold_down_max_s:g}", problem)


def _alerts(config: Config) -> Iterator[Mistake]:
    for alert in config.alerts:
        if alert.above is None and alert.below is None:
            yield Mistake(alert.name, None, None, "needs above or below, or it could never fire")
