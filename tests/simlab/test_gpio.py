"""Lines that one process drives and another one watches."""

import asyncio
from pathlib import Path

import pytest

from remsimd.config.model import GpioLine
from remsimd.errors import GpioError
from simlab.gpio import MemoryChip, RemoteLines, served

MUX, POWER = GpioLine(name="sim1"), GpioLine(chip="gpiochip0", offset=3)


async def test_watchers_hear_of_changes_only() -> None:
    chip, heard = MemoryChip(), list[bool]()
    chip.watch("sim1", heard.append)
    assert not await chip.get(MUX)
    for value in (False, True, True, False):
        await chip.set(MUX, value)
    await chip.set(POWER, True)
    assert heard == [True, False]
    await chip.close()
    assert await chip.get(POWER), "a chip keeps its values when nobody holds its lines"


async def test_another_process_drives_the_same_lines(tmp_path: Path) -> None:
    chip, heard = MemoryChip(), list[bool]()
    chip.watch("sim1", heard.append)
    async with served(chip, tmp_path / "gpio.sock"):
        lines = RemoteLines(tmp_path / "gpio.sock")
        await lines.set(MUX, True)
        assert heard == [True]
        assert await lines.get(MUX)
        assert not await lines.get(POWER)
        await lines.close()
    assert not (tmp_path / "gpio.sock").exists()
    with pytest.raises(GpioError, match="GPIO line sim1: the lab's chip does not answer"):
        await lines.get(MUX)


async def test_a_chip_that_goes_in_the_middle_of_a_question_is_told(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "gpio.sock"):
        with pytest.raises(GpioError, match="GPIO line gpiochip0:3: the lab's chip went away"):
            await RemoteLines(tmp_path / "gpio.sock").set(POWER, True)
