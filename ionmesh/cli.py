"""The `ionmesh` command. Imports what a subcommand needs when it runs, so that each starts quickly."""

from __future__ import annotations

import logging
import sys

import click

from ionmesh.cli_database import db
from ionmesh.cli_inventory import bank, import_slots, slot
from ionmesh.cli_serving import run, web, worker
from ionmesh.clock import utcnow
from ionmesh.opening import configured, database_option, writing

_ACTOR = "cli"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning"]),
    default="info",
    show_default=True,
    help="The least severe message on stderr.",
)
def main(log_level: str) -> None:
    """Hand SIM bank slots to cellular routers.

    Settings are environment variables IONMESH_..., over an optional TOML file named by
    IONMESH_CONFIG. Every command but doctor and openapi brings the database's schema up to date
    first.

    \b
    Examples:
      ionmesh tenant create acme
      ionmesh key create --tenant acme
      ionmesh bank add 1 --bankd bank1.example.com
      ionmesh slot add --bank 1 --slots 1-8
      ionmesh run --host 0.0.0.0

    Exit status: 0 when it was done; 1 when it was refused, with the reason on stderr; 2 for a wrong
    command line.
    """
    logging.basicConfig(
        level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # Each migration step is of interest to the developer of one only.
    logging.getLogger("alembic").setLevel(logging.WARNING)


@main.command()
def openapi() -> None:
    """Print the API's OpenAPI document, as JSON."""
    import json

    from ionmesh.api.openapi import document

    click.echo(json.dumps(document(), indent=1))


for command in (bank, db, import_slots, run, slot, web, worker):
    main.add_command(command)


@main.group()
def tenant() -> None:
    """Create, disable and enable tenants."""


@tenant.command("create")
@database_option
@click.argument("slug")
@click.option("--name", help="What people call it.  [default: SLUG]")
@click.option(
    "--legacy-cidr",
    "legacy_cidrs",
    multiple=True,
    metavar="NET",
    help="A network whose clients need no key, as 10.0.0.0/8; may be repeated.",
)
@click.option(
    "--allow-default-hostnames",
    is_flag=True,
    help="Accept ids like OpenWrt-slot0 without a fingerprint.",
)
@click.option(
    "--release-grace",
    type=click.IntRange(0),
    default=86_400,
    show_default=True,
    metavar="SECONDS",
    help="Silence after which a client that heartbeats loses its slot; 0: never.",
)
def tenant_create(
    database: str | None,
    slug: str,
    name: str | None,
    legacy_cidrs: tuple[str, ...],
    allow_default_hostnames: bool,
    release_grace: int,
) -> None:
    """Create the tenant SLUG and print its id.

    SLUG is its short name, which the other commands take.
    """
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
    """Let nobody of the tenant SLUG in.

    Its clients keep their slots meanwhile.
    """
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
    """Create and revoke API keys."""


@key.command("create")
@database_option
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="Whose key it is.")
@click.option("--name", default="", help="What people call it.")
@click.option(
    "--scope",
    type=click.Choice(["remsim", "read", "admin", "platform"]),
    metavar="SCOPE",
    default="remsim",
    show_default=True,
    help="What it may do, see above.",
)
def key_create(database: str | None, slug: str, name: str, scope: str) -> None:
    """Create an API key and print it, this once.

    \b
    remsim    register, heartbeat and unregister routers
    read      look at everything of its tenant, IMSI and ICCID cut short
    admin     look at and change everything of its tenant
    platform  as admin, of every tenant; also /metrics

    Example: ionmesh key create --tenant acme > api-key
    """
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
    """End the key whose first 17 characters are PREFIX.

    Running servers refuse it within five seconds.
    """
    from ionmesh.services import keys

    with writing(database) as session:
        keys.revoke(session, keys.by_prefix(session, prefix), utcnow())
    click.echo(f"revoked {prefix}")


@main.group()
def user() -> None:
    """Create people who sign in to the dashboard."""


@user.command("create")
@database_option
@click.option("--tenant", "slug", required=True, metavar="SLUG", help="Whose data it is about.")
@click.option(
    "--role",
    type=click.Choice(["owner", "admin", "operator", "viewer"]),
    metavar="ROLE",
    default="owner",
    show_default=True,
    help="What it may do, see above.",
)
@click.option("--name", default="", help="The person's name.")
@click.password_option(help="12 characters or more; asked for when not given.")
@click.argument("email")
def user_create(database: str | None, slug: str, role: str, name: str, password: str, email: str) -> None:
    """Create the user EMAIL.

    \b
    viewer    looks, and sees the last four digits of IMSI and ICCID
    operator  also acts on clients and alerts
    admin     also changes pools, rules, allowances, keys, webhooks and users
    owner     also makes owners

    Example: ionmesh user create --tenant acme --role viewer viewer@example.com
    """
    from ionmesh.models import Role
    from ionmesh.services import tenants, users

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


@user.command("reset-second-factor")
@database_option
@click.argument("email")
def user_reset_second_factor(database: str | None, email: str) -> None:
    """Turn off a second factor that EMAIL has lost.

    EMAIL is the user's address. Signing in asks for the password alone from then on; the user sets up
    a new one under "Your account". The audit log has it.

    Example: ionmesh user reset-second-factor owner@example.com
    """
    from ionmesh.services import second_factor, users

    with writing(database) as session:
        second_factor.disable(session, users.by_address(session, email), _ACTOR, utcnow())
    click.echo(f"user {email.lower()} has no second factor")


@main.command()
@database_option
def doctor(database: str | None) -> None:
    """Look for what is wrong with this installation.

    One line for each thing looked at, `ok` or `FAIL`: the schema, tenants, keys, slots, stored
    secrets, and every osmo-remsim-server with its slot maps. Changes nothing.

    Exit status: 0 when all is well, 1 when something is wrong.
    """
    from ionmesh.doctor import examine

    config = configured(database=database)
    failed = False
    for finding in examine(config):
        failed = failed or not finding.good
        click.echo(f"{'ok  ' if finding.good else 'FAIL'} {finding.text}")
    sys.exit(1 if failed else 0)
