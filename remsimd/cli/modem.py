"""`remsimctl modem`: the modems, their AT ports, and recordings of what they say."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from modems.errors import ParseError
from remsimd.cli import show
from remsimd.cli.client import ANSWER_WITHIN_S
from remsimd.cli.session import connected
from remsimd.control.methods import AT_TIMEOUT_LONGEST_S, AT_TIMEOUT_S

RECORD_WITHIN_S = 120.0
"""A modem that leaves half of its questions unanswered is recorded all the same."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def modem() -> None:
    """The modems: list, record, replay, and AT lines for engineers."""


@modem.command("list")
@json_option
@click.pass_obj
def list_(path: Path, as_json: bool) -> None:
    """The configured modems: model, port, driver, network, and why one is not there."""
    with connected(path) as daemon:
        modems = daemon.call("status")["modems"]
    if as_json:
        click.echo(json.dumps({name: known["facts"] for name, known in modems.items()}, indent=2))
        return
    rows = [("MODEM", "MODEL", "PORT", "DRIVER", "NETWORK", "STATE")]
    rows += [(name, *_row(known)) for name, known in modems.items()]
    click.echo("\n".join(show.table(rows)))


def _row(known: dict[str, Any]) -> tuple[str, ...]:
    facts = known["facts"]
    state = known["reason"] if known["port"] is None else (facts["sim_state"] or "there")
    network = facts["operator"] or "-" if facts["registered"] else "not registered"
    return facts["model"] or "-", known["port"] or "-", known["driver"] or "-", network, state


@modem.command()
@click.argument("name")
@click.argument("command")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(1, AT_TIMEOUT_LONGEST_S),
    default=AT_TIMEOUT_S,
    show_default=True,
    help="Seconds to wait for the answer.",
)
@click.pass_obj
def at(path: Path, name: str, command: str, timeout_s: int) -> None:
    """Send one AT line to modem NAME and print its answer.

    For engineers: the line takes its turn among remsimd's own and can change the modem behind its back.
    """
    with connected(path, ANSWER_WITHIN_S + timeout_s) as daemon:
        answer = daemon.call("modem.at", modem=name, command=command, timeout_s=timeout_s)
    click.echo("\n".join([*answer["lines"], answer["result"]]))
    sys.exit(0 if answer["result"] == "OK" else 1)


@modem.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.File("w"), default="-", help="The file to write [default: stdout]."
)
@click.option("--raw", is_flag=True, help="Leave IMEI, IMSI and ICCID as they are.")
@click.pass_obj
def record(path: Path, name: str, output: TextIO, raw: bool) -> None:
    """Ask modem NAME everything and write what was said, for `replay` and for reports of a fault."""
    with connected(path, RECORD_WITHIN_S) as daemon:
        exchanges = daemon.call("modem.record", modem=name, raw=raw)["exchanges"]
    output.write("[\n" + ",\n".join(json.dumps(exchange) for exchange in exchanges) + "\n]\n")


@modem.command("replay")
@click.argument("file", type=click.File("r"))
@click.option("--driver", help="The driver to read it with [default: what the recorded identity says].")
@click.option("--model", help="The model it was recorded from, such as EM9191; chooses the driver.")
@json_option
def replay_file(file: TextIO, driver: str | None, model: str | None, as_json: bool) -> None:
    """Print the facts of a recording, without a modem and without the daemon."""
    from modems.recording import Recording, replay

    try:
        facts = asyncio.run(replay(Recording.from_json(file.read()), driver=driver, model=model))
    except (ParseError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file.name}: {error}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    rows = [
        ("FACT", "VALUE"),
        *((name, "-" if value is None else str(value)) for name, value in facts.items()),
    ]
    click.echo("\n".join(show.table(rows)))
