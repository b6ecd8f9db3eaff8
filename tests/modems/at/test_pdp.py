"""Addresses of packet data contexts."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.at.pdp import addresses
from modems.errors import ParseError
from modems.facts import PdpAddress


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (('+CGPADDR: 1,"10.17.3.4"',), (PdpAddress(1, "10.17.3.4"),)),
        (("+CGPADDR: 1,10.17.3.4",), (PdpAddress(1, "10.17.3.4"),)),
        (('+CGPADDR: 1,"0.0.0.0"',), ()),
        (("+CGPADDR: 1",), ()),
        (('+CGPADDR: 1,""',), ()),
        ((), ()),
        (
            ('+CGPADDR: 1,"10.0.0.1","32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.10"',),
            (PdpAddress(1, "10.0.0.1"), PdpAddress(1, "2001:db8:0:0:0:0:0:a")),
        ),
        (('+CGPADDR: 5,"2001:DB8::A"',), (PdpAddress(5, "2001:db8::a"),)),
        (('+CGPADDR: 5,"::"',), ()),
        (("+CGPADDR: 1,10.0.0.1.255.255.255.0",), (PdpAddress(1, "10.0.0.1"),)),
        (
            ('+CGPADDR: 1,"10.0.0.1"', '+CGPADDR: 3,"10.0.0.2"'),
            (PdpAddress(1, "10.0.0.1"), PdpAddress(3, "10.0.0.2")),
        ),
    ],
)
def test_addresses(lines: tuple[str, ...], expected: tuple[PdpAddress, ...]) -> None:
    assert addresses(lines) == expected


@pytest.mark.parametrize("line", ["", "+CGPADDR:", "+CGPADDR: x,1.2.3.4", "+CGDCONT: 1"])
def test_another_shape_is_refused(line: str) -> None:
    with pytest.raises(ParseError):
        addresses((line,))


@given(st.text(alphabet='0123456789.:,"aF x', max_size=60))
def test_whatever_follows_the_name_only_parse_errors_come(rest: str) -> None:
    with contextlib.suppress(ParseError):
        assert all(found.address for found in addresses((f"+CGPADDR: {rest}",)))
