"""Routers whose GPIO lines are known: what the configuration leaves out is filled in.

Lines are named as in the device tree of the board; a line that is set, or whose modem does not
need it, is left alone.
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from remsimd.config.model import Config, GpioLine, MatchBy, ModemConfig, SimSource

log = logging.getLogger(__name__)

MODEL_FILES = (Path("/tmp/sysinfo/model"), Path("/proc/device-tree/model"))  # noqa: S108 - OpenWrt's own place


@dataclass(frozen=True, slots=True)
class Bay:
    """A place for a modem: the line that selects its SIM, and the one that gives it power."""

    sim_select: str
    power: str


@dataclass(frozen=True, slots=True)
class Board:
    """`bays` in the order of the modem sections; `pcie_power` is for modems found by `pci:`."""

    model: str
    bays: tuple[Bay, ...]
    pcie_power: str | None = None


BOARDS = (
    # 5g1 and 5g2 are high for power, as after boot; which tray sim1 and sim2 select at which
    # level is not documented, so that sim_select_remote has to be tried out.
    Board("ZBT-Z8102AX", (Bay("sim1", "5g1"), Bay("sim2", "5g2")), "pcie_power"),
)


def model(files: tuple[Path, ...] = MODEL_FILES) -> str | None:
    """The board's name as the kernel or OpenWrt's init tells it, None where neither does."""
    for path in files:
        try:
            text = path.read_text(encoding="ascii", errors="replace").strip("\0 \n")
        except OSError:
            continue
        if text:
            return text
    return None


def filled(config: Config, name: str | None) -> Config:
    """`config` with the lines that the board of this name has for its modems."""
    board = next((board for board in BOARDS if name is not None and board.model in name), None)
    if board is None:
        return config
    bays = iter(board.bays)
    modems = tuple(_with_lines(modem, board, next(bays, None)) for modem in config.modems)
    return replace(config, modems=modems)


def _with_lines(modem: ModemConfig, board: Board, bay: Bay | None) -> ModemConfig:
    by_pci = any(match.by is MatchBy.PCI for match in modem.match)
    power = board.pcie_power if by_pci else bay.power if bay is not None else None
    lines: dict[str, GpioLine] = {}
    # A local modem keeps the tray that the board gives it at boot.
    if bay is not None and modem.sim is SimSource.REMOTE and modem.sim_slot is None:
        lines["sim_select_line"] = GpioLine(bay.sim_select)
    if power is not None:
        lines["power_line"] = GpioLine(power)
    missing = {option: line for option, line in lines.items() if getattr(modem, option) is None}
    for option, line in missing.items():
        log.info("%s: %s is %s on a %s", modem.name, option, line, board.model)
    return replace(
        modem,
        sim_select_line=missing.get("sim_select_line", modem.sim_select_line),
        power_line=missing.get("power_line", modem.power_line),
    )
