"""What the guest is built with: archives, modules in order, bytecode, names in the device tree, verdicts."""

import importlib.util
import io
import marshal
import stat
import struct
import sys
from pathlib import Path

import pytest

from tests.hwlab import cpio
from tests.hwlab.bytecode import with_bytecode
from tests.hwlab.device_tree import with_line_names
from tests.hwlab.modules import depends, load_order
from tests.hwlab.verdicts import Verdict, figures, parse


def unpacked(archive: bytes) -> list[tuple[str, int, bytes]]:
    """Name, mode and content of each member, read as the kernel reads them."""
    found, at = [], 0
    while at < len(archive):
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        start = at + (110 + name_size + 3) // 4 * 4
        found.append((name, mode, archive[start : start + size]))
        at = start + (size + 3) // 4 * 4
    return found


def test_an_archive_has_each_file_after_its_folders(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tool").write_bytes(b"abc")
    (tmp_path / "bin/tool").chmod(0o750)
    (tmp_path / "bin/link").symlink_to("tool")
    archive = io.BytesIO()
    cpio.write([*cpio.tree(tmp_path, "usr"), cpio.file("init", b"#!", executable=True)], archive)
    assert unpacked(archive.getvalue()) == [
        ("usr", stat.S_IFDIR | 0o755, b""),
        ("usr/bin", stat.S_IFDIR | 0o755, b""),
        ("usr/bin/link", stat.S_IFLNK | 0o777, b"tool"),
        ("usr/bin/tool", stat.S_IFREG | 0o750, b"abc"),
        ("init", stat.S_IFREG | 0o755, b"#!"),
        ("TRAILER!!!", 0, b""),
    ]


def module(*needs: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0"


def test_modules_come_after_those_they_need_and_what_is_built_in_is_left_out() -> None:
    files = {
        "option": module("usb-wwan", "usbserial"),
        "usb_wwan": module("usbserial"),
        "usbserial": module(),
    }
    assert list(load_order(["option", "usbcore"], files.get)) == ["usbserial", "usb_wwan", "option"]


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match="not a kernel module"):
        depends(b"text")


def test_bytecode_is_what_the_interpreter_would_load() -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    source, compiled = with_bytecode([cpio.file("lib/a.py", b"VALUE = 6 * 7\n")], version)
    assert compiled.place.startswith("tmp/remsim-pycache/lib/a.cpython-")
    assert compiled.content[:4] == importlib.util.MAGIC_NUMBER
    assert compiled.content[8:16] == importlib.util.source_hash(source.content)
    names: dict[str, object] = {}
    exec(marshal.loads(compiled.content[16:]), names)
    assert names["VALUE"] == 42


def test_another_python_makes_no_bytecode_and_neither_do_files_with_mistakes() -> None:
    entries = [cpio.file("a.py", b"x = 1"), cpio.file("b.py", b"x = ="), cpio.file("c.txt", b"")]
    assert list(with_bytecode(entries, "2.7")) == entries
    places = [entry.place for entry in with_bytecode(entries[1:], "3.11")]
    assert places == ["b.py", "c.txt"]


def device_tree() -> bytes:
    """A tree of one node with one property."""
    name = b"pl061@9030000\0\0\0"
    structure = struct.pack(">I", 1) + bytes(4) + struct.pack(">I", 1) + name
    structure += struct.pack(">III", 3, 4, 0) + b"\0\0\0\7" + struct.pack(">III", 2, 2, 9)
    strings, reserved = b"phandle\0", bytes(16)
    at_struct = 40 + len(reserved)
    head = struct.pack(
        ">10I", 0xD00DFEED, at_struct + len(structure) + len(strings), at_struct, at_struct + len(structure),
        40, 17, 16, 0, len(strings), len(structure),
    )  # fmt: skip
    return head + reserved + structure + strings


def test_lines_get_names_in_the_device_tree() -> None:
    named = with_line_names(device_tree(), "pl061@", ["sim1", "", "5g1"])
    _, size, at_struct, at_strings, *_ = struct.unpack_from(">10I", named)
    assert size == len(named)
    assert named[at_strings:] == b"phandle\0gpio-line-names\0"
    value = b"sim1\0\0" + b"5g1\0"
    added = struct.pack(">III", 3, len(value), 8) + value + b"\0\0"
    assert named[at_struct:at_strings].count(added) == 1
    assert named[at_struct:at_strings].index(added) == 8 + 4 + 16, "behind the node's name"


def test_a_node_that_is_not_there_is_said() -> None:
    with pytest.raises(ValueError, match="no node gpio@"):
        with_line_names(device_tree(), "gpio@", ["a"])


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.hwlab.guest.check_gpio" name="test_line[sim1]"/>
<testcase classname="tests.hwlab.guest.check_gpio" name="test_line[sim2]">
<failure message="assert 1 == 2">where</failure><system-out>--- kernel</system-out></testcase>
<testcase classname="tests.hwlab.guest.check_gpio" name="test_known"><skipped message="reason"/></testcase>
<testcase classname="tests.hwlab.guest.check_package" name="test_size">
<properties><property name="memory" value="30 MB"/></properties></testcase>
</testsuite></testsuites>"""


def test_verdicts_are_told_by_function_with_what_the_failed_ones_printed() -> None:
    found = parse(JUNIT)
    assert [case.verdict for case in found["check_gpio.py::test_line"]] == [Verdict.PASSED, Verdict.FAILED]
    failed = found["check_gpio.py::test_line"][1]
    assert (failed.name, failed.output) == ("test_line[sim2]", "--- kernel")
    assert failed.text == "assert 1 == 2\nwhere"
    assert found["check_gpio.py::test_known"][0].verdict is Verdict.SKIPPED
    assert figures(JUNIT) == {"memory": "30 MB"}


def test_a_guest_that_died_has_no_verdicts() -> None:
    assert parse("") == {}
    assert parse(JUNIT[:200]) == {}
