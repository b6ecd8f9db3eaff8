"""A connection to the daemon for one command, and how the command ends when there is none."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from remsimd.cli.client import ANSWER_WITHIN_S, ControlClient
from remsimd.errors import ControlError

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@contextmanager
def connected(path: Path, answer_within_s: float = ANSWER_WITHIN_S) -> Iterator[ControlClient]:
    """The daemon at a control socket; what it refuses ends the program with its words and status 1."""
    try:
        with ControlClient(path, answer_within_s) as client:
            yield client
    except ControlError as error:
        click.echo(f"remsimctl: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)


def printed(document: Any, as_json: bool, table: Any, part: str | None = None) -> None:
    """Print a document as JSON (`part` of it, where named), or what `table` makes of it."""
    if as_json:
        click.echo(json.dumps(document if part is None else document[part], indent=2))
    else:
        click.echo(table(document))
