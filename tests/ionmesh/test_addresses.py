"""Which addresses tenants can have the server call."""

from __future__ import annotations

import pytest

from ionmesh.addresses import is_bank, is_literal, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("fe80::1", False),
        ("64:ff9b::7f00:1", False),
        ("nonsense", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("address", "bank"),
    [
        ("93.184.215.14", True),
        ("10.1.2.3", True),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("64:ff9b::a01:203", True),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("2002:a9fe:a9fe::", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("fe80::1", False),
        ("fe80::1%2", False),
        ("fd00:ec2::254", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("nonsense", False),
    ],
)
def test_addresses_of_banks(address: str, bank: bool) -> None:
    assert [is_bank(address, loopback_allowed=allowed) for allowed in (True, False)] == [bank, bank]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"])
def test_loopback_is_a_setting(address: str) -> None:
    assert is_bank(address, loopback_allowed=True)
    assert not is_bank(address, loopback_allowed=False)


@pytest.mark.parametrize(
    ("host", "literal"),
    [("10.0.0.1", True), ("::1", True), ("bank.example.com", False), ("2852039166", False)],
)
def test_literals(host: str, literal: bool) -> None:
    assert is_literal(host) is literal
