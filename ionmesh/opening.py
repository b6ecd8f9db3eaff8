"""How commands get at settings and database; refusals become messages and exit 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ionmesh.config import Config, load_config
from ionmesh.errors import ConfigError, SchemaNewer, ServiceError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ionmesh.db import Database

Command = TypeVar("Command", bound=Callable[..., Any])


def database_option(command: Command) -> Command:
    """Give a command the option --database."""
    option = click.option(
        "--database",
        metavar="URL",
        help="Where the database is, sqlite:///FILE or postgresql://HOST/NAME.  "
        "[default: $IONMESH_DATABASE, else sqlite:///ionmesh.db]",
    )
    return option(command)


def configured(**overrides: str | None) -> Config:
    """Return the settings; an override that is None is none."""
    try:
        return load_config(os.environ, **overrides)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def opened(config: Config) -> Iterator[Database]:
    """Give the database with its schema up to date."""
    from sqlalchemy.exc import OperationalError

    from ionmesh import schema
    from ionmesh.db import Database

    database = Database(config.database)
    try:
        schema.upgrade(database)
        yield database
    except SchemaNewer as error:
        raise click.ClickException(str(error)) from error
    except OperationalError as error:
        raise click.ClickException(f"database: {error.orig}") from error
    finally:
        database.close()


@contextmanager
def writing(url: str | None) -> Iterator[Session]:
    """Give a write session, and turn a refusal into a message and exit 1."""
    try:
        with opened(configured(database=url)) as database, database.write() as session:
            yield session
    except ServiceError as error:
        raise click.ClickException(error.message) from error
