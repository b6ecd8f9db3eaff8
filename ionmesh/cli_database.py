"""`ionmesh db`: the schema, who may use it, and what comes from elsewhere."""

from __future__ import annotations

import click

from ionmesh.clock import utcnow
from ionmesh.opening import configured, database_option, opened, writing


@click.group()
def db() -> None:
    """Upgrade the schema, grant access, seal secrets, import."""


@db.command("upgrade")
@database_option
def upgrade(database: str | None) -> None:
    """Bring the schema to this version's revision.

    Other commands do so as well; this one does nothing else, for the role that owns the tables.
    """
    from ionmesh import schema

    with opened(configured(database=database)):
        click.echo(f"schema is at {schema.head()}")


@db.command("grant")
@database_option
@click.argument("role")
def grant(database: str | None, role: str) -> None:
    """Let the PostgreSQL ROLE serve without owning the tables.

    To be run by the owner, again after each upgrade. A role that does not own the tables is kept to
    its tenant by row-level security.

    Example: ionmesh db grant ionmesh_app
    """
    from ionmesh import roles
    from ionmesh.errors import InvalidRequest

    with opened(configured(database=database)) as opened_database:
        try:
            roles.grant(opened_database, role)
        except InvalidRequest as error:
            raise click.ClickException(error.message) from error
    click.echo(f"{role} may serve")


@db.command("seal")
@database_option
def seal(database: str | None) -> None:
    """Seal the secrets that lie readable in the database.

    Signing secrets of webhooks, second factors and the key for push messages, from the time before
    there was an IONMESH_KEY_PEPPER, or before the version that seals them. Run it with the pepper the
    servers have; they may run meanwhile. `ionmesh doctor` tells whether there are any.
    """
    from ionmesh.services import seals

    with writing(database) as session:
        count = seals.seal_readable(session, configured(database=database).key_pepper)
    click.echo(f"{count} secrets sealed")


@db.command("import")
@database_option
@click.option("--tenant", "slug", metavar="SLUG", help="Who gets everything.  [default: as in the source]")
@click.option("--dry-run", is_flag=True, help="Tell what would happen and keep nothing.")
@click.argument("source", metavar="URL|FILE")
def import_(database: str | None, slug: str | None, dry_run: bool, source: str) -> None:
    """Take over another orchestrator's database.

    From a URL: tenants, banks, slots, cards, KI pools and active clients of a database with the
    deployed IonMesh's tables. From a FILE: the slots of a bankd_pcsc_slots.csv, whose bank must be
    there. What is there already stays as it is, so that it can be done again; what does not fit is
    named with the reason.

    Example: ionmesh db import --dry-run sqlite:////srv/old/ionmesh.db
    """
    from pathlib import Path

    from ionmesh.errors import ServiceError
    from ionmesh.legacy_source import read_card_list, read_database
    from ionmesh.services import tenants
    from ionmesh.services.adoption import Adoption

    try:
        legacy = read_database(source) if "://" in source else read_card_list(Path(source))
        with opened(configured(database=database)) as target, target.write() as session:
            tenant_id = tenants.by_slug(session, slug).tenant_id if slug else None
            report = Adoption(session, "cli", utcnow(), tenant_id).adopt(legacy)
            if dry_run:
                session.rollback()
    except ServiceError as error:
        raise click.ClickException(error.message) from error
    for kind, added in report.added.items():
        done = "would be added" if dry_run else "added"
        click.echo(f"{kind + 's:':9}{added} {done}, {report.known[kind]} there already")
    for line in report.left_out:
        click.echo(f"left out: {line}")
