"""`remsimctl sim`: which card each modem is on, and moving it, with progress while that takes its time."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from remsimd.cli import show
from remsimd.cli.client import ControlClient
from remsimd.cli.session import connected, json_option, printed

WAIT_S = 180
"""The radio, the modem's patience and its restart: two minutes, and some for the bank."""
SHOWN = frozenset({"sim_switch", "sim", "rspro", "connected", "disconnected"})

modem_option = click.option("--modem", help="Which one; needed where several can be meant.")
wait_option = click.option(
    "--wait", "wait_s", type=click.IntRange(0), default=WAIT_S, show_default=True,
    help="Seconds to follow the switch; 0 returns at once.",
)  # fmt: skip


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def sim(context: click.Context, as_json: bool) -> None:
    """Show which card each modem is on, or change it.

    Without a command: `status`.
    """
    if context.invoked_subcommand is None:
        context.invoke(status, as_json=as_json)


@sim.command()
@json_option
@click.pass_obj
def status(path: Path, as_json: bool) -> None:
    """Show each modem's card, its numbers, and why that one."""
    with connected(path) as daemon:
        report = daemon.call("status")
    printed(report, as_json, show.sim)


@sim.command()
@click.argument("card", type=click.Choice(["local", "remote"]))
@modem_option
@wait_option
@click.pass_obj
def use(path: Path, card: str, modem: str | None, wait_s: int) -> None:
    """Move a modem to its local card or to the bank's.

    `local` is the modem's own card, until told otherwise. `remote` is the bank's, for as long as
    the bank has it. What happens is printed until the modem is there. A restart or a changed
    configuration forgets what was asked for.

    Exit status: 0 when the modem is on the card, 1 when it is not within --wait seconds.
    """
    _move(path, "sim.use", card, modem, wait_s, mode=card)


@sim.command(hidden=True)
@modem_option
@wait_option
@click.pass_obj
def local(path: Path, modem: str | None, wait_s: int) -> None:
    """Move a modem to its local card: `use local`."""
    _move(path, "sim.use", "local", modem, wait_s, mode="local")


@sim.command(hidden=True)
@modem_option
@wait_option
@click.pass_obj
def auto(path: Path, modem: str | None, wait_s: int) -> None:
    """Move a modem to the bank's card: `use remote`."""
    _move(path, "sim.use", "remote", modem, wait_s, mode="auto")


@sim.command("take-back")
@modem_option
@wait_option
@click.pass_obj
def take_back(path: Path, modem: str | None, wait_s: int) -> None:
    """Use the local card and let the bank's go.

    The connection to the bank is closed, so that the bank may give the card to somebody else, until
    `use remote`.

    Exit status: 0 when the modem is on its card, 1 when it is not within --wait seconds.
    """
    _move(path, "sim.take_back", "local", modem, wait_s)


@sim.command()
@click.argument("number", type=click.IntRange(1, 2))
@modem_option
@click.pass_obj
def slot(path: Path, number: int, modem: str | None) -> None:
    """Make a modem use its own SIM slot NUMBER, 1 or 2.

    Needs a modem with two slots and a driver that can select one.

    Example: remsimctl sim slot 2 --modem secondary
    """
    with connected(path) as daemon:
        click.echo(daemon.call("sim.slot", slot=number, **_named(modem))["message"])


@sim.command()
@json_option
@click.pass_obj
def test(path: Path, as_json: bool) -> None:
    """Read the remote card: ATR, ICCID and IMSI.

    A modem that uses the card is not disturbed: then what that modem read is shown.

    Exit status: 0 when the card answers, 1 when it does not, with the reason.
    """
    with connected(path) as daemon:
        found = daemon.call("sim.test")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    how = f"as {found['read_by']} read it, which uses it now"
    if found["read_by"] == "test":
        how = f"read in {found['took_s']:.2f} s, no modem involved"
    for name in ("atr", "iccid", "imsi"):
        click.echo(f"{name.upper():<6}{found[name] or '-'}")
    click.echo(f"the remote card answers ({how})")


def _move(path: Path, method: str, card: str, modem: str | None, wait_s: int, **params: Any) -> None:
    """Ask for a card and print what happens until the modem is on it; exit 1 where it does not get there."""
    with connected(path) as watcher, connected(path) as daemon:
        seen = _newest(daemon)
        click.echo(daemon.call(method, **_named(modem), **params)["message"].partition(";")[0])
        if wait_s == 0 or _arrived(daemon, card, modem):
            return
        for entry in watcher.follow(wait_s):
            if entry["seq"] <= seen:
                continue
            if entry["kind"] in SHOWN:
                click.echo(show.event(entry))
            if entry["kind"] == "sim_switch":
                if _arrived(daemon, card, modem):
                    return
                if entry["severity"] == "error":
                    sys.exit(1)
        click.echo(_not_there(daemon.call("status"), card, wait_s), err=True)
        sys.exit(1)


def _newest(daemon: ControlClient) -> int:
    """The number of the newest entry of the timeline."""
    entries = daemon.call("events", last=1)
    return int(entries[-1]["seq"]) if entries else 0


def _arrived(daemon: ControlClient, card: str, modem: str | None) -> bool:
    """Whether the modem is on the card and not about to leave it."""
    modems = daemon.call("status")["modems"]
    states = [m for name, m in modems.items() if name == modem or (modem is None and m["sim_source"])]
    return bool(states) and all(
        state["sim_source"] == card and state["sim_switching_to"] is None for state in states
    )


def _not_there(report: dict[str, Any], card: str, wait_s: int) -> str:
    rspro = report["rspro"]
    if card == "remote" and rspro["state"] != "operational":
        detail = f" ({rspro['detail']})" if rspro["detail"] else ""
        return (
            f"no remote card within {wait_s} s: {rspro['state']}{detail}; the modem moves when there is one"
        )
    return f"not there within {wait_s} s; follow with `remsimctl events -f`"


def _named(modem: str | None) -> dict[str, str]:
    return {} if modem is None else {"modem": modem}
