"""The daemon as a service: from its configuration file to its exit status, without a command line.

What procd starts takes no arguments, so nothing of click is loaded there; each module that
stays out counts on a router, and this process runs for months.
"""

import sys
from pathlib import Path

from remsimd.config.load import load
from remsimd.config.model import Config
from remsimd.errors import ConfigError

DEFAULT_CONFIG = Path("/etc/config/remsim")
DEFAULT_RUN_DIR = Path("/var/run/remsim")


def main() -> None:
    """Run with the router's own files until told to stop, or exit 1 with every mistake."""
    serve(DEFAULT_CONFIG, read_or_exit(DEFAULT_CONFIG), DEFAULT_RUN_DIR, foreground=False)


def serve(path: Path, config: Config, run_dir: Path, *, foreground: bool) -> None:
    """Run until told to stop; return at once where the configuration says so."""
    if not config.main.enabled:
        print(f"{path}: remsim.main.enabled is 0, nothing to do", file=sys.stderr)  # noqa: T201 - for people
        return

    from remsimd.daemon import run
    from remsimd.log import set_up
    from remsimd.sim.gpio import GpiodLines

    set_up(config.main.log_level, foreground=foreground or sys.stderr.isatty())
    run(path, config, run_dir=run_dir, lines=GpiodLines())


def read_or_exit(path: Path) -> Config:
    """The configuration, or every mistake on stderr and exit status 1."""
    try:
        config = load(path)
    except ConfigError as error:
        count = len(error.mistakes)
        lines = [f"{path}: {count} mistake{'s' if count > 1 else ''}, nothing started:"]
        sys.exit("\n  ".join([*lines, *map(str, error.mistakes)]))
    for warning in config.warnings:
        print(f"{path}: {warning}", file=sys.stderr)  # noqa: T201 - for people, before there is a log
    return config
