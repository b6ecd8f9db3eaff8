"""Settings: sources, precedence, and errors that name what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionmesh.config import Config, load_config
from ionmesh.errors import ConfigError


def test_defaults() -> None:
    assert load_config({}) == Config()


def test_command_line_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "ionmesh.toml"
    file.write_text(
        'offline_after_s = 600\nproxy_hops = 1\nheartbeat_interval_s = 90\ndatabase = "sqlite:///f"\n'
    )
    environ = {
        "IONMESH_CONFIG": str(file),
        "IONMESH_HEARTBEAT_INTERVAL_S": "120",
        "IONMESH_DATABASE": "sqlite:///e",
        "PATH": "ignored",
    }
    config = load_config(environ, database="sqlite:///o", public_url=None)
    assert config == Config(
        database="sqlite:///o", heartbeat_interval_s=120, offline_after_s=600, proxy_hops=1
    )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IONMESH_DATABASE", "mysql://x"),
        ("IONMESH_DATABASE", "sqlite"),
        ("IONMESH_DATABASE", "sqlite://"),
        ("IONMESH_DATABASE", "sqlite:///:memory:"),
        ("IONMESH_PUBLIC_URL", "ftp://host"),
        ("IONMESH_PUBLIC_URL", "http://host/path"),
        ("IONMESH_PUBLIC_URL", "http://user@host"),
        ("IONMESH_PUBLIC_URL", "http://host:port"),
        ("IONMESH_HEARTBEAT_INTERVAL_S", "9"),
        ("IONMESH_HEARTBEAT_INTERVAL_S", "60s"),
        ("IONMESH_OFFLINE_AFTER_S", "-1"),
        ("IONMESH_PROXY_HOPS", "²"),
        ("IONMESH_CONFIG", "/nowhere/ionmesh.toml"),
    ],
)
def test_errors_name_the_variable_and_the_value(variable: str, value: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load_config({variable: value})
    assert str(wrong.value).startswith(f"{variable}: {value!r} is not ")


def test_passwords_are_not_shown() -> None:
    with pytest.raises(ConfigError) as wrong:
        load_config({"IONMESH_DATABASE": "mysql://me:p@ss@host/db"})
    assert "'mysql://***@host/db'" in str(wrong.value)
    assert "secret" not in repr(load_config({"IONMESH_DATABASE": "postgresql://me:secret@host/db"}))


def test_errors_in_the_file_name_file_and_key(tmp_path: Path) -> None:
    file = tmp_path / "ionmesh.toml"
    for text, key in (("proxy_hops = 99", "proxy_hops"), ("proxyhops = 1", "proxyhops")):
        file.write_text(text)
        with pytest.raises(ConfigError, match=f"{file}: {key}"):
            load_config({"IONMESH_CONFIG": str(file)})
    file.write_text("= broken")
    with pytest.raises(ConfigError, match="IONMESH_CONFIG"):
        load_config({"IONMESH_CONFIG": str(file)})
