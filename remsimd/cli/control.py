"""`remsimctl`: what the running daemon knows, and what it should do."""

import json
import os
from pathlib import Path

import click

from remsimd import __version__
from remsimd.cli import history as recorded
from remsimd.cli import show
from remsimd.cli.modem import modem
from remsimd.cli.session import connected as _daemon
from remsimd.cli.session import printed as _print
from remsimd.cli.sim import sim
from remsimd.service import DEFAULT_RUN_DIR

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


@failover.command("status")
@json_option
@click.pass_obj
def link_status(path: Path, as_json: bool) -> None:
    """Each link: its health, what is tried to bring it back, and what remsimd has spent over it."""
    with _daemon(path) as daemon:
        _print(daemon.call("status"), as_json, show.links, "links")


@failover.command()
@click.argument("link")
@click.pass_obj
def to(path: Path, link: str) -> None:
    """Prefer LINK to all others whenever it works, until `remsimctl failover auto`."""
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
@click.option("--severity", type=click.Choice(["info", "warning", "error", "critical"]), help="Only this.")
@click.option("--modem", "subject", help="Only about this modem, link or part.")
@click.option("--range", "range_s", callback=recorded.span, help="From the recording, so far back: 24h, 30d.")
@json_option
@click.pass_obj
def events(
    path: Path, /, follow: bool, last: int, range_s: int | None, as_json: bool, **wanted: str | None
) -> None:
    """The timeline: what happened, and why; before the daemon's start with --range."""
    chosen = {name: value for name, value in wanted.items() if value is not None}
    with _daemon(path) as daemon:
        if range_s is not None and not follow:
            found = daemon.call("history.events", range_s=range_s, last=last, **chosen)
            _print(found, as_json, show.events)
            return
        if not follow:
            found = [entry for entry in daemon.call("events") if chosen.items() <= entry.items()]
            _print(found[-last:], as_json, show.events)
            return
        for entry in daemon.follow():
            if chosen.items() <= entry.items():
                click.echo(json.dumps(entry) if as_json else show.event(entry))


@main.command()
@click.argument(
    "action", type=click.Choice(["status", "register", "unregister", "commands"]), default="status"
)
@json_option
@click.pass_obj
def ionmesh(path: Path, action: str, as_json: bool) -> None:
    """The orchestrator: state and card; its `commands`; `register` anew, or give the card back."""
    with _daemon(path) as daemon:
        if action == "status":
            _print(daemon.call("status"), as_json, show.ionmesh, "ionmesh")
        elif action == "commands":
            _print(daemon.call("ionmesh.commands"), as_json, show.commands)
        else:
            click.echo(daemon.call(f"ionmesh.{action}")["message"])


@main.command()
@click.pass_obj
def reload(path: Path) -> None:
    """Read the configuration again; a broken one changes nothing."""
    with _daemon(path) as daemon:
        click.echo(daemon.call("reload")["message"])


for command in (modem, sim, recorded.history, recorded.export, recorded.alerts):
    main.add_command(command)
