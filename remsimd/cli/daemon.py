"""`remsimd`: check the configuration, or run."""

import json
import sys
from pathlib import Path

import click

from remsimd import __version__
from remsimd.config.load import load
from remsimd.config.model import Config
from remsimd.config.show import to_json
from remsimd.errors import ConfigError

DEFAULT_CONFIG = Path("/etc/config/remsim")
DEFAULT_RUN_DIR = Path("/var/run/remsim")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The UCI file to read.",
)
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=DEFAULT_RUN_DIR,
    show_default=True,
    help="Directory for the control socket.",
)
@click.option(
    "--check", is_flag=True, help="Only check the configuration: print every mistake, exit 1, or exit 0."
)
@click.option("--json", "as_json", is_flag=True, help="With --check: print the effective configuration.")
@click.option("--foreground", "-f", is_flag=True, help="Log to stderr instead of syslog.")
@click.version_option(__version__, prog_name="remsimd")
def main(path: Path, run_dir: Path, check: bool, as_json: bool, foreground: bool) -> None:
    """Runs a cellular router on a SIM card that sits somewhere else.

    Settings come from UCI (package remsim). SIGHUP reads them again, SIGTERM stops: the SIM
    goes back to the local card and the card from the bank is given back.
    """
    config = read_or_exit(path)
    if check:
        if as_json:
            click.echo(json.dumps(to_json(config), indent=2))
        else:
            click.echo(f"{path}: no mistakes")
        return
    if not config.main.enabled:
        click.echo(f"{path}: remsim.main.enabled is 0, nothing to do", err=True)
        return

    from remsimd.daemon import run
    from remsimd.log import set_up
    from remsimd.sim.gpio import GpiodLines

    set_up(config.main.log_level, foreground=foreground or sys.stderr.isatty())
    sys.exit(run(path, config, run_dir=run_dir, lines=GpiodLines()))


def read_or_exit(path: Path) -> Config:
    """The configuration, or every mistake on stderr and exit status 1."""
    try:
        config = load(path)
    except ConfigError as error:
        count = len(error.mistakes)
        click.echo(f"{path}: {count} mistake{'s' if count > 1 else ''}, nothing started:", err=True)
        for mistake in error.mistakes:
            click.echo(f"  {mistake}", err=True)
        sys.exit(1)
    for warning in config.warnings:
        click.echo(f"{path}: {warning}", err=True)
    return config
