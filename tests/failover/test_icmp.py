"""Echo messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.failover import icmp

PAYLOAD = bytes(range(16))


def test_a_request_of_each_family() -> None:
    # Computed by hand: the one's complement sum over 0800 1234 0001 and the payload.
    ipv4 = icmp.request(ipv6=False, ident=0x1234, sequence=1, payload=PAYLOAD)
    assert ipv4[:2] == b"\x08\x00"
    assert icmp.checksum(ipv4) == 0
    assert icmp.request(ipv6=True, ident=1, sequence=2, payload=b"x") == b"\x80\0\0\0\0\x01\0\x02x"


def test_checksum_of_the_rfc_example() -> None:
    # RFC 1071 section 3: the sum is ddf2, the checksum its complement.
    assert icmp.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF ^ 0xDDF2


def reply(ipv6: bool, sequence: int = 1, payload: bytes = PAYLOAD) -> bytes:
    request = icmp.request(ipv6=ipv6, ident=9, sequence=sequence, payload=payload)
    return (b"\x81" if ipv6 else b"\x00") + request[1:]


@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("raw", [False, True])
def test_only_the_reply_to_this_request_answers(ipv6: bool, raw: bool) -> None:
    header = b"\x46" + bytes(23) if raw and not ipv6 else b""

    def answers(datagram: bytes) -> bool:
        return icmp.answers(header + datagram, ipv6=ipv6, raw=raw, sequence=1, payload=PAYLOAD)

    assert answers(reply(ipv6))
    assert not answers(reply(ipv6, sequence=2))
    assert not answers(reply(ipv6, payload=bytes(16)))
    assert not answers(icmp.request(ipv6=ipv6, ident=9, sequence=1, payload=PAYLOAD))
    unreachable = (b"\x01" if ipv6 else b"\x03") + reply(ipv6)[1:]
    assert not answers(unreachable)


@given(st.binary(max_size=80), st.booleans(), st.booleans())
def test_arbitrary_bytes_do_not_answer(datagram: bytes, ipv6: bool, raw: bool) -> None:
    assert not icmp.answers(datagram, ipv6=ipv6, raw=raw, sequence=1, payload=PAYLOAD)
