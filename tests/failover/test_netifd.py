"""Asking netifd, with a `ubus` that answers as OpenWrt's does."""

import stat
from pathlib import Path

import pytest

from remsimd.failover.netifd import device_of, parse

UP = """{
	"up": true,
	"pending": false,
	"available": true,
	"l3_device": "wwan0_1",
	"proto": "qmi",
	"device": "wwan0",
	"metric": 10,
	"ipv4-address": [ { "address": "10.64.0.2", "mask": 30 } ]
}"""


@pytest.mark.parametrize(
    ("text", "device"),
    [
        (UP, "wwan0_1"),
        ('{"up": true, "device": "eth1"}', "eth1"),
        ('{"up": false, "pending": true}', None),
        ('{"l3_device": 7}', None),
        ("[]", None),
        ("Command failed", None),
    ],
)
def test_the_device_named_in_an_answer(text: str, device: str | None) -> None:
    assert parse(text) == device


@pytest.fixture
def ubus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "ubus"
    asked = "call network.interface.wan5g status"
    script.write_text(
        f"""#!/bin/sh
[ "$*" = '{asked}' ] || {{ echo Not found >&2; exit 4; }}
cat <<'END'
{UP}
END
"""
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return script


@pytest.mark.usefixtures("ubus")
async def test_an_interface_that_is_up_and_one_that_does_not_exist() -> None:
    assert await device_of("wan5g") == "wwan0_1"
    assert await device_of("wan6g") is None


async def test_no_netifd_no_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await device_of("wan5g") is None
