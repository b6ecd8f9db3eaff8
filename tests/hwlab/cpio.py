"""Archives that the kernel unpacks as its first file system: cpio in the "newc" format.

Archives may follow one another in a file; a later one's files replace those of an earlier one.
"""

import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"070701"
TRAILER = "TRAILER!!!"
ALIGNMENT = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: `place` without a leading slash, `mode` with the bits of its type; `content` of a link is
    where it leads."""

    place: str
    mode: int
    content: bytes = b""


def file(place: str, content: bytes, *, executable: bool = False) -> Entry:
    """A regular file."""
    return Entry(place, stat.S_IFREG | (0o755 if executable else 0o644), content)


def link(place: str, target: str) -> Entry:
    """A symbolic link."""
    return Entry(place, stat.S_IFLNK | 0o777, target.encode())


def tree(
    folder: Path, below: str = "", *, wanted: Callable[[Path], bool] = lambda path: True
) -> Iterator[Entry]:
    """Everything in `folder` that is `wanted`, placed below `below`; folders are left to `write`."""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        place = str(Path(below) / path.relative_to(folder))
        if not wanted(path):
            continue
        if stat.S_ISLNK(mode):
            yield Entry(place, mode, str(path.readlink()).encode())
        elif stat.S_ISREG(mode):
            yield Entry(place, mode, path.read_bytes())


def write(entries: Iterable[Entry], archive: BinaryIO) -> None:
    """One archive with these files and the folders they need, all of root's and without times."""
    made: set[str] = set()
    number = 1
    for entry in entries:
        for parent in reversed(Path(entry.place).parents[:-1]):
            if str(parent) not in made:
                made.add(str(parent))
                number += 1
                _write(archive, Entry(str(parent), stat.S_IFDIR | 0o755), number)
        number += 1
        _write(archive, entry, number)
    _write(archive, Entry(TRAILER, 0), 0)


def _write(archive: BinaryIO, entry: Entry, number: int) -> None:
    """The header is the magic and 13 numbers of eight hex digits (initramfs buffer format of the kernel)."""
    name = entry.place.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (number, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, 0, 0, len(name), 0)
    head = MAGIC + b"".join(b"%08X" % field for field in fields) + name
    archive.writelines(part + bytes(-len(part) % ALIGNMENT) for part in (head, entry.content))
