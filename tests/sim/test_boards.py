from pathlib import Path

import pytest

from remsimd.config.model import Config, GpioLine, Match, MatchBy, ModemConfig, SimSource
from remsimd.sim import boards

ZBT = "ZBT-Z8102AX (64M UBI)"
PCI = (Match(MatchBy.PCI, "0000:01:00.0"),)


def lines(*modems: ModemConfig, board: str | None = ZBT) -> list[tuple[str | None, str | None]]:
    found = boards.filled(Config(modems=modems), board).modems
    names = [(modem.sim_select_line, modem.power_line) for modem in found]
    return [(sim and sim.name, power and power.name) for sim, power in names]


def test_lines_that_are_not_set_are_filled_in_in_the_order_of_the_modems() -> None:
    first, second = ModemConfig(name="a", sim=SimSource.REMOTE), ModemConfig(name="b")
    assert lines(first, second) == [("sim1", "5g1"), (None, "5g2")]


def test_lines_that_are_set_stay() -> None:
    mine = GpioLine(name="mine")
    modem = ModemConfig(name="a", sim=SimSource.REMOTE, sim_select_line=mine, power_line=mine)
    assert lines(modem) == [("mine", "mine")]


def test_a_modem_on_pci_has_the_power_of_its_bus() -> None:
    assert lines(ModemConfig(name="a", match=PCI)) == [(None, "pcie_power")]


def test_a_modem_that_switches_by_its_slot_command_needs_no_line() -> None:
    assert lines(ModemConfig(name="a", sim=SimSource.REMOTE, sim_slot=2)) == [(None, "5g1")]


def test_a_third_modem_has_no_bay() -> None:
    assert lines(*(ModemConfig(name=name) for name in "abc"))[2] == (None, None)


@pytest.mark.parametrize("board", [None, "GL.iNet GL-X3000"])
def test_a_board_nobody_knows_changes_nothing(board: str | None) -> None:
    assert lines(ModemConfig(name="a", sim=SimSource.REMOTE), board=board) == [(None, None)]


def test_the_model_is_what_the_first_file_says(tmp_path: Path) -> None:
    absent, empty, tree = tmp_path / "absent", tmp_path / "empty", tmp_path / "tree"
    empty.write_text("\n")
    tree.write_bytes(b"Zbtlink ZBT-Z8102AX\0")
    assert boards.model((absent, empty, tree)) == "Zbtlink ZBT-Z8102AX"
    assert boards.model((absent,)) is None
