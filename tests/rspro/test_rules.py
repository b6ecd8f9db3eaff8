from ipaddress import ip_address, ip_network

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.rspro.pdu import ComponentIdentity
from remsimd.rspro.rules import Rules, is_atr, may_connect, parse_address

IDENTITY = ComponentIdentity(0, "router", "remsimd", "1")
ASSIGNMENT = Assignment(
    client_id=1, client_slot=0, server=Endpoint("bank.example", 9998), bankd=Endpoint("203.0.113.9", 9999)
)


@pytest.mark.parametrize(
    ("address", "server", "allowed"),
    [
        ("192.0.2.77", "192.0.2.5", True),
        ("192.0.3.77", "192.0.2.5", False),
        ("203.0.113.9", "192.0.2.5", True),
        ("203.0.113.10", "192.0.2.5", False),
        ("127.0.0.1", "192.0.2.5", False),
        ("2001:db8::7", "2001:db8::1", True),
        ("2001:db8:1::7", "2001:db8::1", False),
        ("192.0.2.77", "2001:db8::1", False),
        ("192.0.2.77", None, False),
    ],
)
def test_without_a_list_the_servers_network_and_the_assignment_count(
    address: str, server: str | None, allowed: bool
) -> None:
    rules = Rules(identity=IDENTITY)
    assert may_connect(ip_address(address), rules, ASSIGNMENT, parse_address(server)) == allowed


def test_a_list_is_all_that_counts() -> None:
    rules = Rules(identity=IDENTITY, bankd_allow=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))
    server = ip_address("192.0.2.5")
    assert may_connect(ip_address("10.1.2.3"), rules, ASSIGNMENT, server)
    assert may_connect(ip_address("2001:db8::9"), rules, ASSIGNMENT, server)
    assert not may_connect(ip_address("192.0.2.6"), rules, ASSIGNMENT, server)
    assert not may_connect(ip_address("203.0.113.9"), rules, ASSIGNMENT, server)


def test_addresses_are_read_as_sockets_spell_them() -> None:
    assert parse_address("fe80::1%wwan0") == ip_address("fe80::1")
    assert parse_address("::ffff:192.0.2.5") == ip_address("192.0.2.5")
    assert parse_address("/run/socket") is None
    assert parse_address(None) is None


@pytest.mark.parametrize(
    ("atr", "good"),
    [("3b00", True), ("3f" + "00" * 32, True), ("3b" + "00" * 33, False), ("3b", False), ("0000", False)],
)
def test_an_atr_begins_with_ts_and_has_2_to_33_octets(atr: str, good: bool) -> None:
    assert is_atr(bytes.fromhex(atr)) == good
