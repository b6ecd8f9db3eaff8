"""Lock files: made, honoured, taken over from the dead, done without where there can be none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modems.at.lock import check_unlocked, lock_path, locked
from modems.errors import PortBusy


@pytest.fixture
def port(tmp_path: Path) -> str:
    device = tmp_path / "ttyUSB2"
    device.touch()
    return str(device)


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def lock_as(owner: str, port: str, directory: Path) -> Path:
    path = lock_path(port, directory)
    path.write_text(owner)
    return path


def test_the_name_is_that_of_the_device_a_link_leads_to(tmp_path: Path) -> None:
    assert lock_path("/dev/ttyUSB2").name == "LCK..ttyUSB2"
    assert lock_path("/dev/pts/7").name == "LCK..pts_7"
    link = tmp_path / "modem"
    link.symlink_to("/dev/null")
    assert lock_path(str(link), tmp_path) == tmp_path / "LCK..null"


def test_the_file_names_its_owner_and_goes_with_the_block(port: str, tmp_path: Path) -> None:
    with locked(port, tmp_path):
        path = lock_path(port, tmp_path)
        assert path.read_text() == f"{os.getpid():10d}\n"
        assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["ttyUSB2"]


def test_a_living_owner_is_left_alone(port: str, tmp_path: Path) -> None:
    path = lock_as(f"{os.getppid():10d}\n", port, tmp_path)
    with pytest.raises(PortBusy):
        check_unlocked(port, tmp_path)
    with pytest.raises(PortBusy), locked(port, tmp_path):
        pytest.fail("the lock was taken from its owner")
    assert path.read_text() == f"{os.getppid():10d}\n"


@pytest.mark.parametrize("owner", ["dead", "own", "", "nonsense\n", "-5\n", "99999999999999999999\n"])
def test_a_lock_without_a_living_owner_is_taken_over(owner: str, port: str, tmp_path: Path) -> None:
    text = {"dead": f"{dead_process():10d}\n", "own": f"{os.getpid():10d}\n"}.get(owner, owner)
    path = lock_as(text, port, tmp_path)
    check_unlocked(port, tmp_path)
    with locked(port, tmp_path):
        assert path.read_text() == f"{os.getpid():10d}\n"
    assert not path.exists()


def test_without_a_directory_the_port_is_opened_all_the_same(port: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    check_unlocked(port, missing)
    with locked(port, missing):
        assert not missing.exists()
    no_directory = tmp_path / "file"
    no_directory.touch()
    with locked(port, no_directory):
        pass
