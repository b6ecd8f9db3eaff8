"""The guest's first and only file system, in two layers: Debian's, kept in a cache, and the project's."""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hwlab import bytecode, cpio, modules, packages

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
GUEST = HERE / "guest"
PROJECT = "opt/remsimd"
"""Where the guest has the project's sources, for the tests; the daemon runs from the installed package."""
SITE_PACKAGES = "usr/lib/python3/dist-packages"
SOURCES = ("modems", "remsimd", "simlab", "tests/hwlab/guest")
LEFT_OUT = ("usr/share", "var/lib", "var/cache")
"""Documentation and data of programs that are not there."""


@dataclass(frozen=True, slots=True)
class Base:
    """Debian's part: a kernel and a first file system."""

    kernel: Path
    initrd: Path


def cache_folder() -> Path:
    """Where Debian's part is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "remsimd-hwlab"


def base(cache: Path) -> Base:
    """Debian's part, made anew where what it is made from or how it is made changed. Raises BuildError."""
    made = cache / _inputs()
    if not made.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as work:
            _build(Path(work))
            # Two that build at once make the same: the first one's stays.
            with contextlib.suppress(OSError):
                (Path(work) / "made").rename(made)
        for other in cache.iterdir():
            if other != made and not other.name.startswith("building-"):
                shutil.rmtree(other)
    return Base(made / "kernel", made / "initrd")


def _inputs() -> str:
    """A hash over everything that decides what `_build` makes, but for the versions in the archives."""
    sources = [Path(str(module.__file__)).read_bytes() for module in (bytecode, cpio, modules, packages)]
    wheels = repr(packages.requirements()).encode()
    return hashlib.sha256(b"\0".join((*sources, Path(__file__).read_bytes(), wheels))).hexdigest()[:16]


def _build(work: Path) -> None:
    apt = work / "apt"
    apt.mkdir()
    kernel, userland = packages.fetch_packages(apt)
    packages.unpack_packages(userland, work / "root")
    packages.unpack_packages([kernel], work / "kernel")
    packages.unpack_wheels(packages.requirements(), work / "site")
    (work / "made").mkdir()
    next((work / "kernel/boot").glob("vmlinuz-*")).rename(work / "made/kernel")
    with (work / "made/initrd").open("wb") as archive:
        cpio.write(bytecode.with_bytecode(_base_entries(work), packages.PYTHON), archive)


def _base_entries(work: Path) -> Iterator[cpio.Entry]:
    for entry in cpio.tree(work / "root"):
        if not entry.place.startswith(LEFT_OUT):
            yield entry
    yield cpio.link("usr/bin/python3", f"python{packages.PYTHON}")
    yield from cpio.tree(work / "site", SITE_PACKAGES)
    files = {path.stem.replace("-", "_"): path for path in (work / "kernel/lib/modules").rglob("*.ko")}
    ordered = modules.load_order(
        modules.WANTED, lambda name: files[name].read_bytes() if name in files else None
    )
    for number, (name, content) in enumerate(ordered.items()):
        yield cpio.file(f"lib/hwlab/{number:02d}-{name}.ko", content)


def initrd(cached: Base, target: Path) -> None:
    """Both layers in one file, as the kernel takes them."""
    shutil.copyfile(cached.initrd, target)
    with tempfile.TemporaryDirectory() as work, target.open("ab") as archive:
        installed = Path(work) / "installed"
        packages.run([sys.executable, str(ROOT / "scripts/build-ipk"), "--tree", str(installed)])
        cpio.write(bytecode.with_bytecode(cpio.tree(installed), packages.PYTHON), archive)
        cpio.write(bytecode.with_bytecode(_test_entries(), packages.PYTHON), archive)


def _test_entries() -> Iterator[cpio.Entry]:
    yield cpio.file("init", (GUEST / "init").read_bytes(), executable=True)
    for source in SOURCES:
        yield from cpio.tree(
            ROOT / source, f"{PROJECT}/{source}", wanted=lambda path: "__pycache__" not in path.parts
        )
    for package in ("tests/__init__.py", "tests/hwlab/__init__.py"):
        yield cpio.file(f"{PROJECT}/{package}", b"")
    yield cpio.file(f"{PROJECT}/pyproject.toml", (ROOT / "pyproject.toml").read_bytes())
