"""`remsimctl`: what the running daemon knows, and what it should do."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from remsimd import __version__
from remsimd.cli import show
from remsimd.cli.client import ControlClient
from remsimd.cli.daemon import DEFAULT_RUN_DIR
from remsimd.errors import ControlError

SOCKET_NAME = "control.sock"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    "path",
    type=click.Path(path_type=Path),
    default=lambda: Path(os.environ.get("REMSIM_SOCKET", DEFAULT_RUN_DIR / SOCKET_NAME)),
    help=f"The daemon's control socket [default: $REMSIM_SOCKET or {DEFAULT_RUN_DIR / SOCKET_NAME}].",
)
@click.version_option(__version__, prog_name="remsimctl")
@click.pass_context
def main(context: click.Context, path: Path) -> None:
    """Shows and steers a running remsimd."""
    context.obj = path


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@main.command()
@json_option
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """Modems, links, the remote SIM and IonMesh on one screen."""
    with _daemon(path) as daemon:
        report = daemon.call("status")
    _print(report, as_json, show.status)


@main.command()
@click.argument("mode", type=click.Choice(["show", "local", "auto"]), default="show")
@click.option("--modem", help="Which modem; needed when several can use a remote card.")
@json_option
@click.pass_obj
def sim(path: Path, mode: str, modem: str | None, as_json: bool) -> None:
    """Which card each modem is on, and why; `local` takes it to its own card, `auto` back."""
    with _daemon(path) as daemon:
        if mode != "show":
            params = {} if modem is None else {"modem": modem}
            click.echo(daemon.call("sim.use", mode=mode, **params)["message"])
            return
        report = daemon.call("status")
    _print(report, as_json, show.sim)


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def failover(context: click.Context, as_json: bool) -> None:
    """Which link carries the data (without a subcommand: explain)."""
    if context.invoked_subcommand is None:
        context.invoke(explain, as_json=as_json)


@failover.command()
@json_option
@click.pass_obj
def explain(path: Path, as_json: bool) -> None:
    """Why the present link is in use, and what would change that."""
    with _daemon(path) as daemon:
        _print(daemon.call("failover.explain"), as_json, show.explain)


@failover.command()
@click.argument("link")
@click.pass_obj
def to(path: Path, link: str) -> None:
    """Use LINK whatever its health, until `remsimctl failover auto`."""
    with _daemon(path) as daemon:
        click.echo(daemon.call("failover.to", link=link)["message"])


@failover.command()
@click.pass_obj
def auto(path: Path) -> None:
    """Choose the link by health again."""
    with _daemon(path) as daemon:
        click.echo(daemon.call("failover.auto")["message"])


@failover.command()
@json_option
@click.pass_obj
def history(path: Path, as_json: bool) -> None:
    """The moves since remsimd started."""
    with _daemon(path) as daemon:
        _print(daemon.call("events", kind="failover"), as_json, show.events)


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on printing as things happen.")
@click.option("--last", type=int, default=50, show_default=True, help="How many to print.")
@click.option("--kind", help="Only one kind (failover, sim_switch, connected, ...).")
@json_option
@click.pass_obj
def events(path: Path, follow: bool, last: int, kind: str | None, as_json: bool) -> None:
    """The timeline: what happened, and why."""
    with _daemon(path) as daemon:
        if not follow:
            params = {} if kind is None else {"kind": kind}
            _print(daemon.call("events", last=last, **params), as_json, show.events)
            return
        for entry in daemon.follow():
            if kind in (None, entry["kind"]):
                click.echo(json.dumps(entry) if as_json else show.event(entry))


@main.command()
@click.argument("action", type=click.Choice(["status", "register", "unregister"]), default="status")
@json_option
@click.pass_obj
def ionmesh(path: Path, action: str, as_json: bool) -> None:
    """The orchestrator: state and card; `register` anew, or `unregister` and give the card back."""
    with _daemon(path) as daemon:
        if action == "status":
            _print(daemon.call("status"), as_json, show.ionmesh, "ionmesh")
        else:
            click.echo(daemon.call(f"ionmesh.{action}")["message"])


@main.command()
@click.pass_obj
def reload(path: Path) -> None:
    """Read the configuration again; a broken one changes nothing."""
    with _daemon(path) as daemon:
        click.echo(daemon.call("reload")["message"])


@contextmanager
def _daemon(path: Path) -> Iterator[ControlClient]:
    try:
        with ControlClient(path) as client:
            yield client
    except ControlError as error:
        click.echo(f"remsimctl: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


def _print(document: Any, as_json: bool, table: Any, part: str | None = None) -> None:
    if as_json:
        click.echo(json.dumps(document if part is None else document[part], indent=2))
    else:
        click.echo(table(document))
