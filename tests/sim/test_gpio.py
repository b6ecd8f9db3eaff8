"""Lines that the device tree exports, with real files; what libgpiod refuses, with a fake of its refusal.

Whether a value survives the daemon and no pulse is seen on the pin is the kernel's business:
only a kernel with gpio-sim can show it.
"""

import errno
import types
from pathlib import Path
from typing import Any, Self

import pytest

from remsimd.config.model import GpioLine
from remsimd.errors import GpioError
from remsimd.sim.gpio import GpiodLines

SIM1 = GpioLine(name="sim1")


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    (tmp_path / "sim1").mkdir()
    (tmp_path / "sim1" / "value").write_text("1\n")
    return tmp_path


async def test_an_exported_line_is_driven_by_its_name(exports: Path) -> None:
    lines = GpiodLines(exports)
    assert await lines.get(SIM1) is True
    await lines.set(SIM1, False)
    assert (exports / "sim1" / "value").read_text() == "0"
    assert await lines.get(SIM1) is False
    await lines.close()
    assert (exports / "sim1" / "value").read_text() == "0", "it keeps its value"


async def test_an_exported_line_that_refuses_is_named(exports: Path) -> None:
    (exports / "sim1" / "value").unlink()
    (exports / "sim1" / "value").mkdir()
    with pytest.raises(GpioError, match="GPIO line sim1 cannot be set"):
        await GpiodLines(exports).set(SIM1, True)


async def test_a_line_of_no_chip_is_said_with_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(GpioError, match="no chip of this router has a line of this name"):
        await GpiodLines(tmp_path).set(GpioLine(name="no-such-line-anywhere"), True)


class BusyChip:
    """A chip whose line 20 is held by another program, as libgpiod shows it."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def get_line_info(self, offset: int) -> Any:
        return types.SimpleNamespace(consumer="simswitchd" if offset == 20 else "")


@pytest.mark.parametrize(("offset", "holder"), [(20, "'simswitchd'"), (21, "gives no name")])
async def test_a_line_that_somebody_holds_is_refused_with_the_holders_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, holder: str
) -> None:
    import gpiod

    def busy(*_: object, **__: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(gpiod, "is_gpiochip_device", lambda _: True)
    monkeypatch.setattr(gpiod, "request_lines", busy)
    monkeypatch.setattr(gpiod, "Chip", BusyChip)
    line = GpioLine(chip="gpiochip0", offset=offset)
    lines = GpiodLines(tmp_path)
    for attempt in (lines.set(line, True), lines.get(line)):
        with pytest.raises(GpioError, match=f"gpiochip0:{offset} is held by .*{holder}"):
            await attempt
