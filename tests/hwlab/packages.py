"""What the guest is made of: Debian's arm64 packages and wheels, fetched and unpacked, never run here."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path

ARCHITECTURE = "arm64"
PYTHON = "3.11"
"""The guest's, as Debian bookworm and OpenWrt 24.10 have it."""
SOURCES = """\
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main
deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian-security \
bookworm-security main
"""
KERNEL = "linux-image-arm64"
"""The cloud kernel has no USB gadgets."""
USERLAND = (
    "busybox-static",
    "libbz2-1.0",
    "libc-bin",
    "libc6",
    "libcap2",
    "libcrypt1",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libudev1",
    "libuuid1",
    "python3.11-minimal",
    "zlib1g",
)
TEST_WHEELS = (
    "cryptography",
    "pycryptodome",
    "pytest>=8",
    "pytest-asyncio>=0.24",
    "pytest-timeout>=2.3",
)
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64")


class BuildError(Exception):
    """A program that is needed to make the guest failed, with its words."""


def requirements() -> tuple[str, ...]:
    """The wheels that the router's programs and the guest's tests need."""
    declared = [each.partition(";") for each in requires("remsimd") or ()]
    needed = [name.strip() for name, _, condition in declared if not condition]
    return (*sorted(needed), *TEST_WHEELS)


def fetch_packages(folder: Path) -> tuple[Path, list[Path]]:
    """Debian's packages in `folder`: the kernel's, and the userland's. The system's apt stays as it is."""
    for below in ("lists/partial", "cache/archives/partial"):
        (folder / below).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(SOURCES)
    settings = {
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": ARCHITECTURE,
        "APT::Architectures": ARCHITECTURE,
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    config = folder / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    env = {"APT_CONFIG": str(config)}
    run(["apt-get", "-qq", "update"], env=env)
    # The package of this name is empty, and depends on that of the newest version.
    answer = run(["apt-cache", "depends", "--no-recommends", "--no-suggests", KERNEL], env=env)
    kernel = answer.split("Depends:")[1].split()[0]
    downloads = folder / "packages"
    downloads.mkdir()
    run(["apt-get", "-qq", "download", kernel, *USERLAND], env=env, cwd=downloads)
    fetched = sorted(downloads.glob("*.deb"))
    kernels = [path for path in fetched if path.name.startswith("linux-image")]
    return kernels[0], [path for path in fetched if path not in kernels]


def unpack_packages(packages: Sequence[Path], root: Path) -> None:
    """Their files below `root`; no script of theirs is run."""
    root.mkdir(exist_ok=True)
    for package in packages:
        run(["dpkg-deb", "-x", str(package), str(root)])


def unpack_wheels(names: Sequence[str], folder: Path) -> None:
    """The wheels for the guest's machine and Python, and those they need, below `folder`."""
    downloads = folder.with_name("wheels")
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    argv = [sys.executable, "-m", "pip", "-q", "download", "--dest", str(downloads), *platforms]
    run([*argv, "--only-binary=:all:", f"--python-version={PYTHON}", *names])
    for wheel in sorted(downloads.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """What a program prints; raises BuildError with its complaint where it fails or is not there."""
    try:
        done = subprocess.run(
            argv, env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{' '.join(argv)}:\n{done.stderr}")
    return done.stdout
