"""netifd as remsimd meets it: absent, answering, silent, or answering nonsense."""

import asyncio
import stat
from pathlib import Path

import pytest

from remsimd import netifd
from remsimd.netifd import DeviceNames, device_of, redial


@pytest.fixture
def router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH but for the shell, and network devices of which only lo is there."""
    devices = tmp_path / "net"
    (devices / "lo").mkdir(parents=True)
    monkeypatch.setattr(netifd, "SYS_CLASS_NET", devices)
    monkeypatch.setattr(netifd, "LIMIT_S", 0.3)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(folder: Path, name: str, *lines: str) -> None:
    script = folder / name
    script.write_text("\n".join(("#!/bin/sh", *lines, "")))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


STATUS = '{"up": true, "l3_device": "wwan0", "device": "/sys/devices/usb1"}'


async def test_the_device_netifd_names(router: Path) -> None:
    program(router, "ubus", f'echo "$@" >> {router}/said', f"echo '{STATUS}'")
    assert await device_of("wan5g") == "wwan0"
    assert (router / "said").read_text() == "call network.interface.wan5g status\n"


async def test_a_device_that_is_there_needs_no_question(router: Path) -> None:
    program(router, "ubus", f"touch {router}/asked")
    assert await device_of("lo") == "lo"
    assert not (router / "asked").exists()


@pytest.mark.parametrize("answer", ["", "Command failed", "[1]", '"wwan0"', "{}", '{"l3_device": 7}', "{"])
async def test_an_answer_that_names_no_device(router: Path, answer: str) -> None:
    program(router, "ubus", f"echo '{answer}'")
    assert await device_of("wan5g") is None


async def test_a_refusal_or_no_ubus_at_all(router: Path) -> None:
    assert await device_of("wan5g") is None
    program(router, "ubus", "exit 4")
    assert await device_of("wan5g") is None


async def test_a_netifd_that_hangs_is_given_up(router: Path) -> None:
    program(router, "ubus", "exec sleep 60")
    assert await device_of("wan5g") is None


async def test_dialling_again(router: Path) -> None:
    await redial("wan5g")
    program(router, "ifup", f'echo "$@" >> {router}/said')
    await redial("wan5g")
    assert (router / "said").read_text() == "wan5g\n"


async def test_names_without_waiting(router: Path) -> None:
    names = DeviceNames()
    program(router, "ubus", f"echo '{STATUS}'")
    assert names.of("lo") == "lo"
    assert names.of("wan5g") is None
    async with asyncio.timeout(10):
        while names.of("wan5g") is None:
            await asyncio.sleep(0.01)
    assert names.of("wan5g") == "wwan0"
    await asyncio.sleep(0)
    while len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.01)
