"""The package as it would be installed: built twice, unpacked, and run from its own files alone."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from remsimd import __version__
from remsimd.config.model import Config
from remsimd.control import cards, overview, recorded
from remsimd.control.methods import table
from remsimd.control.ubus import ubus_name
from remsimd.observe.eventlog import EventLog
from remsimd.state import start
from remsimd.store import Store
from tests.control.test_socket import Doer

ROOT = Path(__file__).parents[2]
FEED = ("click", "serial", "requests", "urllib3", "idna", "certifi", "charset_normalizer", "gpiod")
"""Python packages that OpenWrt's feed has; everything else must be in the package."""
APK = """\
#!/bin/sh
# What is asked of apk-tools 3 is kept beside the package; so is the content of each script.
[ "$1" = --version ] && echo "apk-tools 3.0.5, compiled for x86_64." && exit
while [ $# -gt 0 ]; do
    case "$1" in
    --files) files="$2" ;;
    --output) output="$2" ;;
    --script) scripts="$scripts ${2#*:}" ;;
    esac
    echo "$1" >>/tmp/$$
    shift
done
mv /tmp/$$ "$output.asked"
(cd "$files" && find . -type f | sort) >"$output.files"
cat $scripts >"$output.scripts"
: >"$output"
"""


def build(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, ROOT / "scripts/build-ipk", "--output", folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (package,) = folder.glob("remsimd_*.ipk")
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


def members(package: Path, part: str) -> dict[str, str]:
    """The text files of a part (control or data) of a package."""
    with tarfile.open(package) as outer:
        inner = outer.extractfile(f"./{part}.tar.gz")
        assert inner is not None
        with tarfile.open(fileobj=io.BytesIO(inner.read())) as tar:
            found = {}
            for member in tar:
                content = tar.extractfile(member)
                if content is not None:
                    found[member.name[2:]] = content.read().decode(errors="replace")
            return found


MAKEFILE = (ROOT / "openwrt/Makefile").read_text()


def of_makefile(pattern: str) -> str:
    match = re.search(pattern, MAKEFILE, re.MULTILINE | re.DOTALL)
    assert match is not None
    return match[1].replace("$$", "$")


def test_the_package_s_fields_are_those_of_the_makefile(package: Path) -> None:
    assert of_makefile(r"^PKG_VERSION:=(.+?)$") == __version__
    control = dict(line.split(": ", 1) for line in members(package, "control")["control"].splitlines())
    assert control["Version"] == f"{__version__}-r{of_makefile(r'^PKG_RELEASE:=(.+?)$')}"
    assert control["License"] == of_makefile(r"^PKG_LICENSE:=(.+?)$"), "that of the vendored libraries too"
    assert control["Architecture"] == "all"
    assert {"python3-light", "python3-requests", "libudev-zero"} <= set(control["Depends"].split(", "))
    assert members(package, "control")["conffiles"] == "/etc/config/remsim\n/etc/remsim/\n"
    removal = of_makefile(r"^define Package/remsimd/postrm\n(.*?)^endef")
    assert removal == members(package, "control")["postrm"]


def test_luci_s_pages_are_a_package_of_their_own(package: Path) -> None:
    (luci,) = package.parent.glob("luci-app-remsimd_*.ipk")
    files = members(luci, "data")
    assert "www/luci-static/resources/view/remsimd/overview.js" in files
    json.loads(files["usr/share/luci/menu.d/luci-app-remsimd.json"])
    assert not set(files) & set(members(package, "data"))
    assert not any(name.endswith((".po", ".pot", "Makefile")) for name in files)
    assert "luci-base, remsimd" in members(luci, "control")["control"]
    removal = of_makefile(r"^define Package/luci-app-remsimd/postrm\n(.*?)^endef")
    assert removal == members(luci, "control")["postrm"]


def test_an_apk_is_made_where_its_tool_is(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apk").write_text(APK)
    (tmp_path / "bin/apk").chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    command = [sys.executable, ROOT / "scripts/build-ipk", "--output", tmp_path]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL)
    name = f"remsimd-{__version__}-r1.apk"
    asked = (tmp_path / f"{name}.asked").read_text().splitlines()
    assert asked[0] == "mkpkg"
    assert {"name:remsimd", f"version:{__version__}-r1", "arch:noarch"} <= set(asked)
    files = (tmp_path / f"{name}.files").read_text().splitlines()
    assert {"./etc/init.d/remsimd", "./lib/apk/packages/remsimd.conffiles_static"} <= set(files)
    scripts = (tmp_path / f"{name}.scripts").read_text()
    assert 'export pkgname="remsimd"' in scripts
    assert "default_postinst" in scripts


def test_the_ubus_acl_lets_others_read_and_nothing_else(root: Path) -> None:
    path = root / "usr/share/acl.d/remsimd.json"
    assert path.stat().st_mode & 0o777 == 0o644, "ubusd skips files that others may write or run"
    methods = json.loads(path.read_text())["access"]["remsim"]["methods"]
    store = Store(start(Config(), 0.0))
    known = {**table(store, EventLog(), Doer()), **overview.table(store, path)}
    known |= {**recorded.table(Nobody()), **cards.table(Nobody())}  # type: ignore[arg-type] # nothing is asked
    acting = {"failover_to", "failover_auto", "sim_use", "sim_slot", "sim_take_back", "sim_test", "reload"}
    acting |= {"modem_reset", "modem_at", "modem_record", "alerts_mute", "alerts_acknowledge"}
    acting |= {"ionmesh_register", "ionmesh_unregister", "ionmesh_commands"}
    assert set(methods) == {ubus_name(name) for name in known} - acting


class Nobody:
    """Serves no method."""


SIGNALLED = """
import asyncio, signal
from remsimd import daemon
class Daemon:
    def __init__(self, *_, **__): pass
    async def run(self):
        stop = asyncio.Event()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        signal.raise_signal(signal.SIGINT)
        await stop.wait()
daemon.Daemon = Daemon
daemon.run(None, None, run_dir=None, lines=None)
"""
"""What a daemon does with signals from its start to its end."""


def test_the_service_leaves_out_what_it_seldom_uses(root: Path, feed: Path) -> None:
    paths = [f"{root}/usr/lib/remsim", f"{root}/usr/lib/remsim/vendor", str(feed)]
    code = (
        f"import sys; sys.path += {paths!r}\n"
        "from remsimd.deferred import SELDOM_USED, defer\n"
        "defer()\n"
        "import remsimd.service, remsimd.daemon, remsimd.connections, asyncio.subprocess\n"
        "from remsimd.httpsession import _import_requests\n"
        f"_import_requests()\n{SIGNALLED}"
        "stand_in = type(sys.modules['inspect'])\n"
        "print(*(name for name in SELDOM_USED if type(sys.modules[name]) is not stand_in))\n"
        "print(*({'certifi', 'charset_normalizer', 'chardet', 'difflib', 'click'} & sys.modules.keys()))"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30
    )
    assert shown.stderr == ""
    loaded, unwanted = shown.stdout.splitlines()
    assert not loaded
    assert not unwanted
