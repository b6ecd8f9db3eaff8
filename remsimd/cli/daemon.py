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
    help="The folder of the control socket.",
)
@click.option("--check", is_flag=True, help="Only check the configuration and print every mistake in it.")
@click.option(
    "--json", "as_json", is_flag=True, help="With --check: print every setting, defaults filled in."
)
@click.option("--foreground", "-f", is_flag=True, help="Log to stderr instead of syslog.")
@click.version_option(__version__, prog_name="remsimd")
def main(path: Path, run_dir: Path, check: bool, as_json: bool, foreground: bool) -> None:
    """Run a cellular router on a SIM card that sits somewhere else.

    Settings come from the UCI package remsim. SIGHUP reads them again; a file with a mistake
    changes nothing. SIGTERM stops: the modem goes back to its local card, and the bank gets its
    card back.

    \b
    Examples:
      remsimd --check                  every mistake in /etc/config/remsim
      remsimd --check --json           the settings in effect
      remsimd -f -c FILE --run-dir .   another file, the log on the terminal

    Exit status: 0 when it was stopped, when it is not enabled, and for a configuration without
    mistakes; 1 for one with a mistake; 2 for a wrong command line.
    """
    config = read_or_exit(path)
    if check:
        if as_json:
            click.echo(json.dumps(to_json(config), indent=2))
        else:
            click.echo(f"{path}: no mistakes")
        return
    serve(path, config, run_dir, foreground=foreground)
