"""`remsimd`: check the configuration, or run."""

import json
from pathlib import Path

import click

from remsimd import __version__
from remsimd.config.show import to_json
from remsimd.service import DEFAULT_CONFIG, DEFAULT_RUN_DIR, read_or_exit, serve


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
    serve(path, config, run_dir, foreground=foreground)
