"""Nodes to modems."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from modems.detect import udev
from modems.detect.usb import Candidate, group


def usb(
    name: str, interface: int, *, path: str = "1-1.2", identity: str = "2c7c:0800", subsystem: str = "tty"
) -> dict[str, str]:
    vid, pid = identity.split(":")
    node = {"subsystem": subsystem, "name": name, "bus": "usb", "path": path, "vid": vid, "pid": pid}
    return {
        **node,
        "interface": f"{interface:02x}",
        **({} if subsystem == "net" else {"device": f"/dev/{name}"}),
    }


RM500Q = [usb(f"ttyUSB{n}", n) for n in range(4)] + [usb("wwan0", 4, subsystem="net")]


def test_the_ports_of_a_modem_are_one_candidate() -> None:
    assert group(RM500Q) == (
        Candidate(
            path="usb:1-1.2",
            vid="2c7c",
            pid="0800",
            model="Quectel RM500Q",
            driver="quectel",
            at_port="/dev/ttyUSB2",
            ports=tuple(f"/dev/ttyUSB{n}" for n in range(4)),
            netdev="wwan0",
        ),
    )


def test_the_interface_number_counts_and_not_the_name() -> None:
    renumbered = [usb(f"ttyUSB{7 - n}", n) for n in range(4)]
    (found,) = group(renumbered)
    assert found.at_port == "/dev/ttyUSB5"
    assert found.ports == ("/dev/ttyUSB7", "/dev/ttyUSB6", "/dev/ttyUSB5", "/dev/ttyUSB4")


def test_two_modems_of_one_model_are_told_apart_by_where_they_are() -> None:
    other = [usb(f"ttyUSB{n + 4}", n, path="1-1.3") for n in range(4)]
    found = group(other + RM500Q)
    assert [(each.path, each.at_port) for each in found] == [
        ("usb:1-1.2", "/dev/ttyUSB2"),
        ("usb:1-1.3", "/dev/ttyUSB6"),
    ]


def test_fm350_in_both_compositions() -> None:
    composition_40 = [usb(f"ttyUSB{i}", n, identity="0e8d:7126") for i, n in enumerate((2, 4, 5, 6, 7))]
    composition_41 = [usb(f"ttyUSB{i}", n, identity="0e8d:7127") for i, n in enumerate((2, 3, 4, 6, 7, 8, 9))]
    assert group(composition_40)[0].at_port == "/dev/ttyUSB1"
    assert group(composition_41)[0].at_port == "/dev/ttyUSB3"


def test_a_pci_modem_has_at_in_the_name_of_its_port() -> None:
    base = {"bus": "pci", "path": "0000:01:00.0", "vid": "0x14c3", "pid": "0x4d75"}
    nodes = [
        {**base, "subsystem": "wwan", "name": name, "device": f"/dev/{name}"}
        for name in ("wwan0mbim0", "wwan0at0")
    ] + [{**base, "subsystem": "net", "name": "wwan0"}]
    (found,) = group(nodes)
    assert (found.path, found.at_port, found.netdev) == ("pci:0000:01:00.0", "/dev/wwan0at0", "wwan0")


def test_an_unknown_product_of_a_known_maker_is_a_candidate_without_a_model() -> None:
    (found,) = group([usb("ttyUSB2", 2, identity="2c7c:0801")])
    assert (found.model, found.driver, found.at_port) == (None, "quectel", "/dev/ttyUSB2")


def test_a_serial_adapter_and_a_network_card_are_no_modems() -> None:
    card = {
        "subsystem": "net",
        "name": "eth0",
        "bus": "pci",
        "path": "0000:02:00.0",
        "vid": "0x8086",
        "pid": "0x1533",
    }
    assert group([usb("ttyUSB0", 0, identity="0403:6001"), card]) == ()


def test_a_modem_whose_at_port_is_not_bound_yet_has_none() -> None:
    assert group([usb("ttyUSB0", 0), usb("ttyUSB1", 1)])[0].at_port is None


node = st.dictionaries(
    st.sampled_from(["subsystem", "name", "device", "bus", "path", "vid", "pid", "interface"]),
    st.one_of(
        st.text(max_size=8), st.sampled_from(["tty", "net", "usb", "pci", "2c7c", "0800", "02", "1-1"])
    ),
)


@given(st.lists(node, max_size=12))
def test_any_nodes_group(nodes: list[Mapping[str, str]]) -> None:
    found = group(nodes)
    assert len({(each.path, each.vid, each.pid) for each in found}) == len(found)


def test_looking_at_this_system_wakes_no_modem_and_raises_nothing() -> None:
    assert isinstance(udev.candidates(), tuple)
