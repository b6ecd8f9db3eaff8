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
from remsimd.cli.session import json_option
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
    help=f"The daemon's control socket.  [default: $REMSIM_SOCKET, else {DEFAULT_RUN_DIR / SOCKET_NAME}]",
)
@click.version_option(__version__, prog_name="remsimctl")
@click.pass_context
def main(context: click.Context, path: Path) -> None:
    """Show what the running remsimd knows, and tell it what to do.

    \b
    Examples:
      remsimctl status                 everything on one screen
      remsimctl failover explain       why the data takes this way
      remsimctl sim use local          the modem's own card
      remsimctl events --follow        what happens, as it happens

    Exit status: 0 when it was done; 1 when the daemon does not run or refuses, with its words on
    stderr; 2 for a wrong command line.
    """
    context.obj = path


@main.command()
@json_option
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """Show modems, links, the remote SIM and IonMesh.

    One screen: what carries the data and why, each modem's network, signal, card and link, how
    far the way to the bank's card is, and every part that failed. With --json, all that is known.
    """
    with _daemon(path) as daemon:
        report = daemon.call("status")
    _print(report, as_json, show.status)


@main.group(invoke_without_command=True)
@json_option
@click.pass_context
def failover(context: click.Context, as_json: bool) -> None:
    """Show or choose the link that carries the data.

    Without a command: `explain`.
    """
    if context.invoked_subcommand is None:
        context.invoke(explain, as_json=as_json)


@failover.command()
@json_option
@click.pass_obj
def explain(path: Path, as_json: bool) -> None:
    """Say why this link is in use and what would change it."""
    with _daemon(path) as daemon:
        _print(daemon.call("failover.explain"), as_json, show.explain)


@failover.command("status")
@json_option
@click.pass_obj
def link_status(path: Path, as_json: bool) -> None:
    """Show each link's health, recovery and own traffic.

    Own traffic is what remsimd itself has spent of the link's data_limit_mb since its reset day.
    """
    with _daemon(path) as daemon:
        _print(daemon.call("status"), as_json, show.links, "links")


@failover.command()
@click.argument("link")
@click.pass_obj
def to(path: Path, link: str) -> None:
    """Prefer LINK whenever it works, until `auto`.

    LINK is the name of a modem's section in /etc/config/remsim. A link that does not work is not
    used all the same: the data then takes the best of the others.

    Example: remsimctl failover to secondary
    """
    with _daemon(path) as daemon:
        click.echo(daemon.call("failover.to", link=link)["message"])


@failover.command()
@click.pass_obj
def auto(path: Path) -> None:
    """Choose the link by its health again."""
    with _daemon(path) as daemon:
        click.echo(daemon.call("failover.auto")["message"])


@failover.command()
@json_option
@click.pass_obj
def history(path: Path, as_json: bool) -> None:
    """List the moves of the data since remsimd started."""
    with _daemon(path) as daemon:
        _print(daemon.call("events", kind="failover"), as_json, show.events)


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Print what there is, then go on as things happen.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many to print, the newest ones.",
)
@click.option("--kind", help="Only one kind, as in the second column.")
@click.option(
    "--severity",
    type=click.Choice(["info", "warning", "error", "critical"]),
    metavar="LEVEL",
    help="Only one: info, warning, error or critical.",
)
@click.option("--modem", "subject", help="Only about this modem, link or part.")
@click.option(
    "--range",
    "range_s",
    metavar="TIME",
    callback=recorded.span,
    help="From the recording, so far back: 90m, 24h, 30d.",
)
@json_option
@click.pass_obj
def events(
    path: Path, /, follow: bool, last: int, range_s: int | None, as_json: bool, **wanted: str | None
) -> None:
    """Print the timeline: what happened, and why.

    Without --range the newest 1000 entries since remsimd started are looked through; with it, what
    was recorded (section history of /etc/config/remsim), restarts included.

    \b
    Kinds: alert, auth_failure, auth_success, budget, command, config, connected,
    disconnected, failover, history, ionmesh, link, part, recovery, rspro, sim,
    sim_switch.

    \b
    Examples:
      remsimctl events --kind recovery
      remsimctl events --range 30d --severity error --json
    """
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
    """Show the orchestrator's state, or register anew.

    \b
    status      the state and the card that IonMesh gave (the default)
    register    register again now, without waiting for the next attempt
    unregister  give the card back, until `register`
    commands    the newest 256 commands of IonMesh and what became of them
    """
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
    """Read the configuration again.

    Only the parts whose settings changed are started again. A file with a mistake changes nothing;
    the mistakes are printed, and the exit status is 1.
    """
    with _daemon(path) as daemon:
        click.echo(daemon.call("reload")["message"])


for command in (modem, sim, recorded.history, recorded.export, recorded.alerts):
    main.add_command(command)
