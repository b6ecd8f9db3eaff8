"""The package as it would be installed: built twice, unpacked, and run from its own files alone."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from remsimd import __version__

ROOT = Path(__file__).parents[2]
FEED = ("click", "serial", "requests", "urllib3", "idna", "certifi", "charset_normalizer", "gpiod")
"""Python packages that OpenWrt's feed has; everything else must be in the package."""


def build(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, ROOT / "scripts/build-ipk", "--output", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (package,) = folder.glob("*.ipk")
    return package


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def root(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    with tarfile.open(package) as outer:
        data = outer.extractfile("./data.tar.gz")
        assert data is not None
        with tarfile.open(fileobj=io.BytesIO(data.read())) as tar:
            tar.extractall(folder, filter="fully_trusted")
    return folder


@pytest.fixture(scope="module")
def feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with just what the feed has."""
    folder = tmp_path_factory.mktemp("feed")
    site = Path(__import__("click").__file__).parents[1]
    for entry in site.iterdir():
        if entry.name.split(".")[0].replace("-", "_") in FEED:
            (folder / entry.name).symlink_to(entry)
    return folder


def run(root: Path, feed: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A launcher of the package, its absolute paths below `root`."""
    launcher = (root / "usr/bin" / program).read_text().replace('"/usr/lib', f'"{root}/usr/lib')
    launcher = launcher.replace('"/tmp/remsim-pycache"', f'"{root}/tmp/pycache"')
    code = f"import sys; sys.path.append({str(feed)!r}); sys.argv[0] = {program!r}\n{launcher}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *arguments], capture_output=True, text=True, timeout=30
    )


def test_the_same_input_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == package.read_bytes()


def test_every_program_prints_its_version_and_help(root: Path, feed: Path) -> None:
    for program in ("remsimd", "remsimctl"):
        assert __version__ in run(root, feed, program, "--version").stdout
        shown = run(root, feed, program, "--help")
        assert shown.returncode == 0, shown.stderr
        assert "Usage:" in shown.stdout


def test_the_shipped_configuration_is_without_mistakes_and_off(root: Path, feed: Path) -> None:
    config = str(root / "etc/config/remsim")
    assert run(root, feed, "remsimd", "--config", config, "--check").returncode == 0
    off = run(root, feed, "remsimd", "--config", config)
    assert off.returncode == 0
    assert "enabled is 0" in off.stderr


def test_the_daemon_and_its_libraries_load_from_the_package(root: Path, feed: Path) -> None:
    paths = [f"{root}/usr/lib/remsim", f"{root}/usr/lib/remsim/vendor", str(feed)]
    code = (
        f"import sys; sys.path += {paths!r}\n"
        "import remsimd.daemon, prometheus_client, pyudev, modems.catalog\n"
        "print(remsimd.daemon.__file__, prometheus_client.__file__, pyudev.__file__, modems.__file__)"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30
    )
    assert shown.returncode == 0, shown.stderr
    assert all(path.startswith(str(root)) for path in shown.stdout.split())


def test_licences_travel_with_what_is_vendored(root: Path) -> None:
    licences = {
        path.relative_to(root).as_posix() for path in (root / "usr/lib/remsim/vendor/licenses").rglob("*")
    }
    assert {"usr/lib/remsim/vendor/licenses/pyudev/COPYING"} <= licences
    assert "usr/lib/remsim/vendor/licenses/prometheus-client/LICENSE" in licences


def test_sources_keep_their_lines(root: Path) -> None:
    for path in (root / "usr/lib/remsim/remsimd").rglob("*.py"):
        original = ROOT / path.relative_to(root / "usr/lib/remsim")
        assert len(path.read_text().splitlines()) == len(original.read_text().splitlines()), path
