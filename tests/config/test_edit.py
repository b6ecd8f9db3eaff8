"""config-set: what may be changed from afar, and that a file is right before and after."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from remsimd.config import edit
from remsimd.config.load import load, parse
from remsimd.errors import ConfigError

TEXT = """
config remsim 'main'
	option enabled '1'

config modem 'rm500q'
	option role 'primary'
	list match 'usb:2-1.1'

config ionmesh
	option enabled '1'
	option url 'https://ionmesh.example.com:5000'
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "remsim"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path


def save(path: Path, **wanted: object) -> None:
    asyncio.run(
        edit.save(path, edit.changes({name.replace("__", "."): value for name, value in wanted.items()}))
    )


def test_options_are_set_and_unset(path: Path) -> None:
    save(path, ionmesh__interval="120")
    assert load(path).ionmesh.interval_s == 120
    save(path, ionmesh__interval=None, rm500q__poll_interval=30)
    config = load(path)
    assert (config.ionmesh.interval_s, config.modems[0].poll_interval_s) == (60, 30)
    assert config.modems[0].match == parse(TEXT, "test").modems[0].match
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["remsim"]


def test_lists_and_missing_sections(path: Path) -> None:
    save(path, failover__targets=["1.1.1.1", "dns:9.9.9.9"])
    assert [str(target) for target in load(path).failover.targets] == ["icmp:1.1.1.1", "dns:9.9.9.9:53"]


def test_the_package_may_be_named(path: Path) -> None:
    asyncio.run(edit.save(path, edit.changes({"remsim.main.log_level": "debug", "@ionmesh[0].timeout": 5})))
    config = load(path)
    assert (config.main.log_level, config.ionmesh.timeout_s) == ("debug", 5)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("ionmesh.interval", "5"),
        ("ionmesh.interval", "soon"),
        ("rm500q.role", "secondary"),
        ("nosuch.option", "1"),
        ("modem.role", "primary"),
        ("main.event_script", "/tmp/x.sh"),
        ("ionmesh.url", "https://evil.example.com"),
        ("ionmesh.host", "evil.example.com"),
        ("ionmesh.ca_cert", "/tmp/ca.pem"),
        ("ionmesh.insecure", "1"),
        ("ionmesh.api_key", "x"),
        ("network.lan.ipaddr", "192.0.2.1"),
        ("../network.lan", "x"),
        ("main", "x"),
        ("main.log_level", "debug\n\toption enabled '0'"),
        ("main.log_level", ""),
        ("main.log_level", True),
        ("main.log_level", {"a": 1}),
        ("main.log_level", "x" * 300),
    ],
)
def test_refused_and_nothing_changed(path: Path, place: str, value: object) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        asyncio.run(edit.save(path, edit.changes({place: value})))
    assert path.read_bytes() == before


def test_one_mistake_refuses_all(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        asyncio.run(edit.save(path, edit.changes({"ionmesh.interval": "120", "ionmesh.timeout": "999"})))
    assert path.read_bytes() == before


def test_a_quote_stays_a_quote(path: Path) -> None:
    asyncio.run(edit.save(path, edit.changes({"ionmesh.carrier": "O'Neill \\ Sons"})))
    assert load(path).ionmesh.carrier == "O'Neill \\ Sons"


@pytest.mark.parametrize("wanted", [{}, {f"ionmesh.o{number}": "1" for number in range(33)}])
def test_how_many(wanted: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="at a time"):
        edit.changes(wanted)


def test_through_uci(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router's own program, here one that writes down what it was asked."""
    program = path.parent / "bin" / "uci"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nshift 3\nprintf "%s|" "$@" >> {path.parent}/asked\necho >> {path.parent}/asked\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(edit, "UCI_FOLDER", path.parent)
    before = path.read_bytes()
    wanted = edit.changes({"failover.targets": ["1.1.1.1", "9.9.9.9"], "ionmesh.interval": 90})
    asyncio.run(edit.save(path, wanted))
    assert (path.parent / "asked").read_text().splitlines() == [
        "set|remsim.failover=failover|",
        "delete|remsim.failover.targets|",
        "add_list|remsim.failover.targets=1.1.1.1|",
        "add_list|remsim.failover.targets=9.9.9.9|",
        "delete|remsim.@ionmesh[0].interval|",
        "set|remsim.@ionmesh[0].interval=90|",
        "commit|remsim|",
    ]
    assert path.read_bytes() == before


def test_a_uci_that_fails_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = path.parent / "bin" / "uci"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(edit, "UCI_FOLDER", path.parent)
    with pytest.raises(ConfigError, match="status 1"):
        save(path, ionmesh__interval=90)


async def test_a_uci_that_hangs_is_ended_with_the_wish(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, pids = path.parent / "bin" / "uci", path.parent / "pids"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho $$ >> {pids}\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setattr(edit, "UCI_FOLDER", path.parent)
    wanted = edit.changes({"ionmesh.interval": 90})
    monkeypatch.setattr(edit, "UCI_TIMEOUT_S", 0.1)
    with pytest.raises(ConfigError, match="no answer"):
        await edit.save(path, wanted)
    monkeypatch.setattr(edit, "UCI_TIMEOUT_S", 60.0)
    pids.unlink(missing_ok=True)
    saving = asyncio.create_task(edit.save(path, wanted))
    async with asyncio.timeout(10):
        while not pids.exists() or not pids.read_text().endswith("\n"):
            await asyncio.sleep(0.01)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)
