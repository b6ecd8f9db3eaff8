"""Why there can be no namespaces, in words; what they are good for is in test_links."""

import os
import shutil
from pathlib import Path

import pytest

from simlab import namespaces
from simlab.lab import namespaces_possible


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """A machine on which everything is allowed."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: f"/sbin/{name}")
    monkeypatch.setattr(namespaces, "TUN", tmp_path)
    monkeypatch.setattr(namespaces, "_kernel", lambda *_: None)
    return monkeypatch


def test_nothing_is_in_the_way(able: pytest.MonkeyPatch) -> None:
    assert namespaces.obstacle() is None
    assert namespaces_possible()


def test_a_user(able: pytest.MonkeyPatch) -> None:
    able.setattr(os, "geteuid", lambda: 1000)
    assert namespaces.obstacle() == "network namespaces need root"


def test_no_iproute2(able: pytest.MonkeyPatch) -> None:
    able.setattr(shutil, "which", lambda name: None)
    assert namespaces.obstacle() == "network namespaces need the ip command (package iproute2)"


def test_no_tun_devices(able: pytest.MonkeyPatch, tmp_path: Path) -> None:
    able.setattr(namespaces, "TUN", tmp_path / "tun")
    assert namespaces.obstacle() == f"the lab's links need TUN devices ({tmp_path}/tun)"


def test_a_container_that_forbids_them(able: pytest.MonkeyPatch) -> None:
    def refused(call: str, *_: int) -> None:
        assert call == "unshare"
        raise PermissionError(1, "Operation not permitted")

    able.setattr(namespaces, "_kernel", refused)
    assert namespaces.obstacle() == "network namespaces cannot be made here: Operation not permitted"
    assert not namespaces_possible()
