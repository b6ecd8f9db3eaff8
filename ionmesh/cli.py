"""The `ionmesh` command. Imports what a subcommand needs when it runs, so that each starts quickly."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ionmesh.clock import utcnow
from ionmesh.config import Config, load_config
from ionmesh.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ionmesh.db import Database

_ACTOR = "cli"

Command = TypeVar("Command", bound=Callable[..., Any])


def _database_option(command: Command) -> Command:
    option = click.option(
        "--database", metavar="URL", help="sqlite:///FILE or postgresql://...; default: IONMESH_DATABASE."
    )
    return option(command)


@click.group()
@click.option("--log-level", type=click.Choice(["debug", "info", "warning"]), default="info")
def main(log_level: str) -> None:
    """IonMesh: hands SIM bank slots to cellular routers."""
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # Each migration step is of interest to the developer of one only.
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command()
@_database_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0: a free one.")
@click.option("--public-url", metavar="URL", help="What routers are told; default: the address listened on.")
def run(database: str | None, host: str, port: int, public_url: str | None) -> None:
    """Serve the API, reconcile slot maps and watch clients, until SIGTERM."""
    from ionmesh.server import serve

    config = _config(database=database, public_url=public_url)
    with _opened(config):
        pass
    try:
        status = serve(config, host, port, lambda url: click.echo(f"listening on {url}"))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sys.exit(status)


@main.group()
def db() -> None:
    """The database's schema."""


@db.command("upgrade")
@_database_option
def db_upgrade(database: str | None) -> None:
    """Bring the schema to this version's revision."""
    from ionmesh import schema

    with _opened(_config(database=database)):
        click.echo(f"schema is at {schema.head()}")


@main.group()
def tenant() -> None:
    """Tenants."""


@tenant.command("create")
@_database_option
@click.argument("slug")
@click.option("--name", help="For people; default: the slug.")
@click.option(
    "--legacy-cidr",
    "legacy_cidrs",
    multiple=True,
    metavar="NET",
    help="A network whose clients need no key.",
)
@click.option(
    "--allow-default-hostnames",
    is_flag=True,
    help="Accept client ids like OpenWrt-slot0 without fingerprint.",
)
@click.option(
    "--release-grace",
    type=click.IntRange(0),
    default=86_400,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a heartbeating client loses its slot; 0: never.",
)
def tenant_create(
    database: str | None,
    slug: str,
    name: str | None,
    legacy_cidrs: tuple[str, ...],
    allow_default_hostnames: bool,
    release_grace: int,
) -> None:
    """Create the tenant SLUG and print its id."""
    from ionmesh.services import tenants

    with _writing(database) as session:
        created = tenants.create(
            session,
            slug=slug,
            name=name or slug,
            now=utcnow(),
            legacy_cidrs=legacy_cidrs,
            default_hostnames_allowed=allow_default_hostnames,
            release_grace_s=release_grace or None,
        )
    click.echo(f"tenant {created.tenant_id}")


@main.group()
def key() -> None:
    """API keys."""


@key.command("create")
@_database_option
@click.option("--tenant", "slug", required=True)
@click.option("--name", default="", help="For people.")
@click.option("--scope", type=click.Choice(["remsim", "admin"]), default="remsim", show_default=True)
def key_create(database: str | None, slug: str, name: str, scope: str) -> None:
    """Create an API key and print it; it is not shown again."""
    from ionmesh.models import Scope
    from ionmesh.services import keys, tenants

    with _writing(database) as session:
        owner = tenants.by_slug(session, slug)
        _, text = keys.issue(session, owner, name=name, scopes=[Scope(scope)], now=utcnow())
    click.echo(text)


@key.command("revoke")
@_database_option
@click.argument("prefix")
def key_revoke(database: str | None, prefix: str) -> None:
    """End the key whose first 17 characters are PREFIX."""
    from ionmesh.services import keys

    with _writing(database) as session:
        keys.revoke(session, prefix, utcnow())
    click.echo(f"revoked {prefix}")


@main.group()
def bank() -> None:
    """SIM banks."""


@bank.command("add")
@_database_option
@click.argument("bank_id", type=int)
@click.option("--bankd", required=True, metavar="HOST[:PORT]", help="Where routers reach the bankd.")
@click.option("--server", metavar="HOST[:PORT]", help="Where routers reach osmo-remsim-server.")
@click.option("--remsim-server", "remsim_server_url", metavar="URL", help="Its REST, http://HOST:9997.")
@click.option("--tenant", "slug", help="The only tenant that gets its slots; default: all share it.")
@click.option("--name", default="", help="For people.")
def bank_add(
    database: str | None,
    bank_id: int,
    bankd: str,
    server: str | None,
    remsim_server_url: str | None,
    slug: str | None,
    name: str,
) -> None:
    """Add the bank BANK_ID (1..1023)."""
    from ionmesh.services import inventory, tenants

    with _writing(database) as session:
        tenant_id = tenants.by_slug(session, slug).tenant_id if slug else None
        new = inventory.NewBank(bank_id, bankd, server, remsim_server_url, name)
        inventory.add_bank(session, tenant_id, new, _ACTOR, utcnow())
    click.echo(f"bank {bank_id}")


@main.group()
def slot() -> None:
    """Slots of SIM banks."""


@slot.command("add")
@_database_option
@click.option("--bank", "bank_id", type=int, required=True)
@click.option("--slots", required=True, metavar="RANGE", help="Numbers 1..1023, as 1-10,15.")
@click.option("--iccid", "iccids", multiple=True, help="Once per slot, in their order; or not at all.")
@click.option("--imsi", "imsis", multiple=True, help="Once per slot, in their order; or not at all.")
@click.option("--mcc-mnc", help="Home network of the SIMs, five or six digits.")
@click.option("--carrier")
@click.option("--kind", type=click.Choice(["physical", "virtual", "ki-virtual"]), default="physical")
def slot_add(
    database: str | None,
    bank_id: int,
    slots: str,
    iccids: tuple[str, ...],
    imsis: tuple[str, ...],
    mcc_mnc: str | None,
    carrier: str | None,
    kind: str,
) -> None:
    """Add a range of slots to a bank."""
    from ionmesh.models import SlotKind
    from ionmesh.services import inventory

    with _writing(database) as session:
        new = inventory.NewSlots(
            bank_id=bank_id,
            slot_ids=inventory.parse_slot_range(slots),
            kind=SlotKind(kind),
            iccids=iccids,
            imsis=imsis,
            mcc_mnc=mcc_mnc,
            carrier=carrier,
        )
        added = inventory.add_slots(session, None, new, _ACTOR, utcnow())
    click.echo(f"{len(added)} slots in bank {bank_id}")


@main.command()
@_database_option
def doctor(database: str | None) -> None:
    """Check settings, schema, inventory and every osmo-remsim-server; exit 1 when something is wrong."""
    from ionmesh.doctor import examine

    config = _config(database=database)
    failed = False
    for finding in examine(config):
        failed = failed or not finding.good
        click.echo(f"{'ok  ' if finding.good else 'FAIL'} {finding.text}")
    sys.exit(1 if failed else 0)


def _config(**overrides: str | None) -> Config:
    try:
        return load_config(os.environ, **overrides)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _opened(config: Config) -> Iterator[Database]:
    """Give the database with its schema up to date."""
    from sqlalchemy.exc import OperationalError

    from ionmesh import schema
    from ionmesh.db import Database

    database = Database(config.database)
    try:
        schema.upgrade(database)
        yield database
    except OperationalError as error:
        raise click.ClickException(f"database: {error.orig}") from error
    finally:
        database.close()


@contextmanager
def _writing(url: str | None) -> Iterator[Session]:
    """Give a write session, and turn a refusal into a message and exit 1."""
    try:
        with _opened(_config(database=url)) as database, database.write() as session:
            yield session
    except ServiceError as error:
        raise click.ClickException(error.message) from error
