"""Log lines go to syslog under our own name on a router, and to the terminal elsewhere."""

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from remsimd import log


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_syslog_lines_carry_our_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind(str(path))
        syslog.settimeout(5.0)
        monkeypatch.setattr(log, "SYSLOG_SOCKET", path)
        log.set_up("info", foreground=False)
        logging.getLogger("remsimd.test").debug("not this one")
        logging.getLogger("remsimd.test").warning("modem %s is gone", "primary")
        line = syslog.recv(500).decode()
    assert "remsimd: remsimd.test: modem primary is gone" in line


@pytest.mark.parametrize("foreground", [True, False])
def test_without_syslog_or_in_the_foreground_lines_go_to_stderr(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    foreground: bool,
) -> None:
    monkeypatch.setattr(log, "SYSLOG_SOCKET", tmp_path / ("there" if foreground else "missing"))
    (tmp_path / "there").touch()
    log.set_up("debug", foreground=foreground)
    logging.getLogger("remsimd.test").debug("hello")
    logging.getLogger("urllib3.connectionpool").debug("GET /client-name")
    told = capsys.readouterr().err
    assert "DEBUG   remsimd.test: hello" in told
    assert "client-name" not in told
