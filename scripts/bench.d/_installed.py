"""The daemon as a router has it: the package's files and what OpenWrt 24.10's feed has, nothing else.

The code of /usr/bin/remsimd is run with other paths, and with the lab's GPIO chip: the one
thing of ours that is added.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEED = (
    "click==8.1.7",
    "pyserial==3.5",
    "requests==2.32.3",
    "certifi==2025.8.3",
    "charset-normalizer==3.4.3",
    "idna==3.10",
    "urllib3==2.5.0",
)
"""As pure Python, the way the feed builds them."""
ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""What the init script gives the daemon."""

START = """
import remsimd.service
from pathlib import Path
from simlab.gpio import RemoteLines

path, gpio, run_dir = map(Path, sys.argv[1:])
config = remsimd.service.read_or_exit(path)
from remsimd.daemon import run
from remsimd.log import set_up

set_up(config.main.log_level, foreground=True)
run(path, config, run_dir=run_dir, lines=RemoteLines(gpio))
"""
"""What `main` of remsimd.service does, with the lab's lines."""


def feed() -> Path:
    """A folder with the feed's Python packages, fetched once; gpiod, which is compiled, is that of here."""
    folder = ROOT / ".venv/feed-24.10"
    if not folder.exists():
        fresh = folder.with_suffix(".new")
        pure = ("--platform", "any", "--only-binary", ":all:", "--no-deps", "--target", str(fresh))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *pure, *FEED], check=True)
        gpiod = find_spec("gpiod")
        if gpiod is not None and gpiod.origin is not None:
            (fresh / "gpiod").symlink_to(Path(gpiod.origin).parent)
        fresh.rename(folder)
    return folder


def router(folder: Path) -> list[str]:
    """The daemon unpacked below `folder`; its arguments are a UCI file, the GPIO socket, a run dir."""
    tree = folder / "installed"
    subprocess.run([sys.executable, ROOT / "scripts/build-ipk", "--tree", tree], check=True)
    only_simlab = folder / "simlab-alone"
    only_simlab.mkdir()
    (only_simlab / "simlab").symlink_to(ROOT / "simlab")
    launcher = (tree / "usr/bin/remsimd").read_text().removesuffix("main()\n")
    launcher = launcher.replace('"/usr/lib', f'"{tree}/usr/lib').replace("/tmp/remsim", f"{folder}/remsim")
    launcher = launcher.replace("if sys.argv[1:]:", "if False:")
    code = f"import sys; sys.path += {[str(feed()), str(only_simlab)]!r}\n{launcher}"
    python = [sys.executable, "-I", "-S", "-c"]
    # On a router the standard library and the feed are bytecode without sources, and the init script
    # compiles ours before the first start: nothing is compiled in the daemon.
    warm = f"{code}import asyncio.subprocess, remsimd.connections, remsimd.daemon, simlab.gpio\n"
    subprocess.run([*python[:-1], "-X", "no_debug_ranges", "-c", warm], check=True)
    return [*python, code + START]
