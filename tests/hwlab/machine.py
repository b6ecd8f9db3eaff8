"""The guest: an arm64 board in QEMU, run once from power-on to power-off."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.hwlab import image
from tests.hwlab.device_tree import with_line_names
from tests.hwlab.packages import run

QEMU = "qemu-system-aarch64"
BOARD = ("-M", "virt", "-cpu", "cortex-a57", "-smp", "1", "-m", "768")
ENDS_WITHIN_S = 240.0
LINES = ("sim1", "sim2", "5g1", "", "", "", "5g2", "")
"""Names of the GPIO lines, as routers' device trees have them; line 3 is the board's power key."""
ARGUMENTS = "pytest-arguments"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a guest left in its folder of results, what it was asked for, and how long it ran."""

    folder: Path
    asked_for: str
    took_s: float

    def text(self, name: str) -> str:
        """One of its files, "" where the guest did not get so far."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / name).read_text(errors="replace")
        return ""


OUTCOMES = pytest.StashKey[list[Outcome]]()
"""Where a pytest run keeps them."""


def missing() -> str | None:
    """Why there can be no guest here, None where there can."""
    if shutil.which(QEMU) is None:
        return f"{QEMU} is not installed (apt-get install qemu-system-arm)"
    return None


@dataclass(frozen=True, slots=True)
class Machine:
    """What a guest is started with; any number may run at once."""

    kernel: Path
    initrd: Path
    device_tree: Path

    def run(self, results: Path, arguments: Sequence[str]) -> Outcome:
        """From power-on to power-off; `arguments` are for the guest's pytest."""
        results.mkdir()
        (results / ARGUMENTS).write_text("\n".join(arguments))
        started = time.monotonic()
        with (results / "console.log").open("wb") as console:
            process = subprocess.Popen(
                self._command(results), stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                console.write(f"\nthe guest did not end within {ENDS_WITHIN_S:.0f} s\n".encode())
            finally:
                process.kill()
                process.wait()
        return Outcome(results, "\n".join(arguments), time.monotonic() - started)

    def _command(self, results: Path) -> list[str]:
        """Every change of an output pin is traced into the folder that the guest sees as well."""
        argv = [QEMU, *BOARD, "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"]
        argv += ["-kernel", str(self.kernel), "-initrd", str(self.initrd), "-dtb", str(self.device_tree)]
        argv += ["-append", "console=ttyAMA0 quiet panic=-1"]
        argv += ["-fsdev", f"local,id=results,path={results},security_model=none"]
        argv += ["-device", "virtio-9p-device,fsdev=results,mount_tag=results"]
        return [*argv, "-trace", "pl061_set_output", "-D", str(results / "pins.log")]


@contextlib.contextmanager
def built(folder: Path) -> Iterator[Machine]:
    """A machine made in `folder`, which keeps no more than the results. Raises BuildError."""
    base = image.base(image.cache_folder())
    made = Machine(base.kernel, folder / "initrd", folder / "board.dtb")
    try:
        image.initrd(base, made.initrd)
        made.device_tree.write_bytes(_device_tree(folder))
        yield made
    finally:
        made.initrd.unlink(missing_ok=True)


def _device_tree(folder: Path) -> bytes:
    """The board's own, with names for its GPIO lines."""
    plain = folder / "plain.dtb"
    machine, name, *rest = BOARD
    run([QEMU, machine, f"{name},dumpdtb={plain}", *rest, "-nodefaults", "-display", "none"])
    return with_line_names(plain.read_bytes(), "pl061@", LINES)
