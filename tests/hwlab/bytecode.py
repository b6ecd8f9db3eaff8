"""Python's compiled form of sources, so that the emulated processor need not compile them at every boot."""

import importlib.util
import marshal
import sys
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from tests.hwlab.cpio import Entry, file

CACHE = "tmp/remsim-pycache"
"""Where the installed programs have theirs (sys.pycache_prefix), and so everything here."""
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""The source is not looked at again (PEP 552): files of the archive have no times."""


def with_bytecode(entries: Iterable[Entry], version: str) -> Iterator[Entry]:
    """The entries, each Python source followed by its compiled form.

    Only a Python of the guest's `version` ("3.11") can make it; with another one the guest compiles itself.
    """
    able = version == f"{sys.version_info.major}.{sys.version_info.minor}"
    for entry in entries:
        yield entry
        if able and entry.place.endswith(".py") and (code := _compiled(entry)) is not None:
            place = CACHE / PurePosixPath(entry.place)
            yield file(str(place.with_suffix(f".{sys.implementation.cache_tag}.pyc")), code)


def _compiled(entry: Entry) -> bytes | None:
    """None for what is no Python, such as tests of a library's with mistakes on purpose."""
    try:
        code = compile(entry.content, f"/{entry.place}", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return (
        importlib.util.MAGIC_NUMBER
        + UNCHECKED_HASH
        + importlib.util.source_hash(entry.content)
        + marshal.dumps(code)
    )
