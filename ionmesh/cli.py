"""The `ionmesh` command. Imports what a subcommand needs when it runs, so that each starts quickly."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from ionmesh.cli_database import db
from ionmesh.clock import utcnow
from ionmesh.opening import configured, database_option, opened, writing

_ACTOR = "cli"
_PASSWORD_MIN = 12


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
@database_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="0: a free one.")
@click.option("--public-url", metavar="URL", help="What routers are told; default: the address listened on.")
def run(database: str | None, host: str, port: int, public_url: str | None) -> None:
    """Serve the API, reconcile slot maps and watch clients, until SIGTERM."""
    from ionmesh.server import serve

    config = configured(database=database, public_url=public_url)
    with opened(config):
        pass
    try:
        status = serve(config, host, port, lambda url: click.echo(f"listening on {url}"))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host} port {port}: {error.strerror}") from error
    sys.exit(status)


@main.command()
@database_option
def worker(database: str | None) -> None:
    """Reconcile slot maps, watch clients and tell webhooks beside gunicorn, until SIGTERM."""
    from ionmesh.worker import work

    config = configured(database=database)
    with opened(config):
        pass
    sys.exit(work(config, lambda: click.echo("working")))


@main.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    import json

    from ionmesh.api.openapi import document

    click.echo(json.dumps(document(), indent=1))


main.add_command(db)


@main.group()
def tenant() -> None:
    """Tenants."""


@tenant.command("create")
@database_option
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

    with writing(database) as session:
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


@tenant.command("disable")
@database_option
@click.argument("slug")
def tenant_disable(database: str | None, slug: str) -> None:
    """Let nobody of the tenant SLUG in; its clients keep their slots."""
    _let_in(database, slug, enabled=False)


@tenant.command("enable")
@database_option
@click.argument("slug")
def tenant_enable(database: str | None, slug: str) -> None:
    """Let the tenant SLUG in again."""
    _let_in(database, slug, enabled=True)


def _let_in(database: str | None, slug: str, *, enabled: bool) -> None:
    from ionmesh.services import tenants

    with writing(database) as session:
        found = tenants.by_slug(session, slug)
        tenants.change(session, found.tenant_id, {"enabled": enabled}, _ACTOR, utcnow())
    click.echo(f"tenant {slug} is {'enabled' if enabled else 'disabled'}")


@main.group()
def key() -> None:
    """API keys."""


@key.command("create")
@database_option
@click.option("--tenant", "slug", required=True)
@click.option("--name", default="", help="For people.")
@click.option(
    "--scope", type=click.Choice(["remsim", "read", "admin", "platform"]), default="remsim", show_default=True
)
def key_create(database: str | None, slug: str, name: str, scope: str) -> None:
    """Create an API key and print it; it is not shown again."""
    from ionmesh.models import Scope
    from ionmesh.services import keys, tenants

    with writing(database) as session:
        owner = tenants.by_slug(session, slug)
        pepper = configured(database=database).key_pepper
        _, text = keys.issue(session, owner, name=name, scopes=[Scope(scope)], now=utcnow(), pepper=pepper)
    click.echo(text)


@key.command("revoke")
@database_option
@click.argument("prefix")
def key_revoke(database: str | None, prefix: str) -> None:
    """End the key whose first 17 characters are PREFIX."""
    from ionmesh.services import keys

    with writing(database) as session:
        keys.revoke(session, prefix, utcnow())
    click.echo(f"revoked {prefix}")


@main.group()
def bank() -> None:
    """SIM banks."""


@bank.command("add")
@database_option
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

    with writing(database) as session:
        tenant_id = tenants.by_slug(session, slug).tenant_id if slug else None
        new = inventory.NewBank(bank_id, bankd, server, remsim_server_url, name)
        inventory.add_bank(session, tenant_id, new, _ACTOR, utcnow())
    click.echo(f"bank {bank_id}")


@main.group()
def slot() -> None:
    """Slots of SIM banks."""


@slot.command("add")
@database_option
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

    with writing(database) as session:
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


@main.group()
def user() -> None:
    """People."""


@user.command("create")
@database_option
@click.option("--tenant", "slug", required=True)
@click.option("--role", type=click.Choice(["owner", "admin", "operator", "viewer"]), default="owner")
@click.option("--name", default="", help="For people.")
@click.password_option(help="Asked for when not given; at least 12 characters.")
@click.argument("email")
def user_create(database: str | None, slug: str, role: str, name: str, password: str, email: str) -> None:
    """Create the user EMAIL."""
    from ionmesh.models import Role
    from ionmesh.services import tenants, users

    if len(password) < _PASSWORD_MIN or "@" not in email:
        raise click.ClickException(f"an address and a password of {_PASSWORD_MIN} characters are needed")
    with writing(database) as session:
        owner = tenants.by_slug(session, slug)
        users.create(
            session,
            owner.tenant_id,
            email=email,
            name=name,
            role=Role(role),
            password=password,
            actor=_ACTOR,
            now=utcnow(),
        )
    click.echo(f"user {email.lower()}")


@main.command("import")
@database_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_slots(database: str | None, file: Path) -> None:
    """Add the slots of a CSV FILE, all or none: bank_id, slot_id, kind, iccid, imsi, mcc_mnc, carrier."""
    from ionmesh.importing import read_slots
    from ionmesh.services import inventory

    count = 0
    with writing(database) as session:
        for new in read_slots(file):
            count += len(inventory.add_slots(session, None, new, _ACTOR, utcnow()))
    click.echo(f"{count} slots")


@main.command()
@database_option
def doctor(database: str | None) -> None:
    """Check settings, schema, inventory and every osmo-remsim-server; exit 1 when something is wrong."""
    from ionmesh.doctor import examine

    config = configured(database=database)
    failed = False
    for finding in examine(config):
        failed = failed or not finding.good
        click.echo(f"{'ok  ' if finding.good else 'FAIL'} {finding.text}")
    sys.exit(1 if failed else 0)
