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
from remsimd.cli.session import connected, json_option
from remsimd.control.methods import AT_TIMEOUT_LONGEST_S, AT_TIMEOUT_S

RECORD_WITHIN_S = 120.0
"""A modem that leaves half of its questions unanswered is recorded all the same."""


@click.group()
def modem() -> None:
    """List modems, record and replay what they say."""


@modem.command("list")
@json_option
@click.pass_obj
def list_(path: Path, as_json: bool) -> None:
    """List the configured modems, and why one is absent.

    For each: model, AT port, driver, network and the state of its card. With --json, the facts of
    each modem with their units in their names; what is not known is null.
    """
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
@click.argument("command", metavar="LINE")
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
    """Send modem NAME an AT LINE and print the answer.

    For engineers: it takes its turn among remsimd's own lines and can change the modem behind
    remsimd's back.

    Example: remsimctl modem at primary 'AT+CEER'

    Exit status: 0 when the modem ends with OK, 1 with anything else.
    """
    with connected(path, ANSWER_WITHIN_S + timeout_s) as daemon:
        answer = daemon.call("modem.at", modem=name, command=command, timeout_s=timeout_s)
    click.echo("\n".join([*answer["lines"], answer["result"]]))
    sys.exit(0 if answer["result"] == "OK" else 1)


@modem.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.File("w"), default="-", help="The file to write.  [default: stdout]"
)
@click.option("--raw", is_flag=True, help="Leave IMEI, IMSI and ICCID as they are.")
@click.pass_obj
def record(path: Path, name: str, output: TextIO, raw: bool) -> None:
    """Ask modem NAME everything and write what was said.

    The file is a JSON list of commands and answers, for `replay` and for reports of a fault. The
    digits of IMEI, IMSI and ICCID that tell one modem or subscriber from another are zeros. It
    may take two minutes where a modem leaves questions unanswered.

    Example: remsimctl modem record primary -o primary.json
    """
    with connected(path, RECORD_WITHIN_S) as daemon:
        exchanges = daemon.call("modem.record", modem=name, raw=raw)["exchanges"]
    output.write("[\n" + ",\n".join(json.dumps(exchange) for exchange in exchanges) + "\n]\n")


@modem.command("replay")
@click.argument("file", type=click.File("r"))
@click.option("--driver", help="The driver to read it with.  [default: by the identity]")
@click.option("--model", help="The model it was recorded from, such as EM9191; chooses the driver.")
@json_option
def replay_file(file: TextIO, driver: str | None, model: str | None, as_json: bool) -> None:
    """Print the facts in FILE, a recording of `record`.

    Needs neither a modem nor the daemon. A command that FILE lacks is answered with ERROR.

    Example: remsimctl modem replay primary.json --driver generic
    """
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
