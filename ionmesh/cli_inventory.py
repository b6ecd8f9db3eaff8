"""`ionmesh bank`, `slot` and `import`: which SIM cards there are to give away."""

from __future__ import annotations

from pathlib import Path

import click

from ionmesh.clock import utcnow
from ionmesh.opening import database_option, writing

_ACTOR = "cli"


@click.group()
def bank() -> None:
    """Add SIM banks."""


@bank.command("add")
@database_option
@click.argument("bank_id", type=int, metavar="NUMBER")
@click.option("--bankd", required=True, metavar="HOST[:PORT]", help="Where routers reach the bankd.")
@click.option("--server", metavar="HOST[:PORT]", help="Where routers reach osmo-remsim-server.")
@click.option(
    "--remsim-server",
    "remsim_server_url",
    metavar="URL",
    help="Its REST interface, http://HOST:9997; IonMesh keeps the bank's slot maps there.",
)
@click.option("--tenant", "slug", metavar="SLUG", help="Who alone gets its slots.  [default: all share it]")
@click.option("--name", default="", help="What people call it.")
def bank_add(
    database: str | None,
    bank_id: int,
    bankd: str,
    server: str | None,
    remsim_server_url: str | None,
    slug: str | None,
    name: str,
) -> None:
    """Add the bank NUMBER, 1 to 1023.

    Ports are 9999 for the bankd and 9998 for the server where none is given.

    \b
    Example:
      ionmesh bank add 1 --bankd bank1.example.com \\
          --server bank1.example.com \\
          --remsim-server http://bank1.example.com:9997
    """
    from ionmesh.services import inventory, tenants

    with writing(database) as session:
        tenant_id = tenants.by_slug(session, slug).tenant_id if slug else None
        new = inventory.NewBank(bank_id, bankd, server, remsim_server_url, name)
        inventory.add_bank(session, tenant_id, new, _ACTOR, utcnow())
    click.echo(f"bank {bank_id}")


@click.group()
def slot() -> None:
    """Add the slots of a bank."""


@slot.command("add")
@database_option
@click.option("--bank", "bank_id", type=int, required=True, metavar="NUMBER", help="The bank, added before.")
@click.option("--slots", required=True, metavar="RANGE", help="Numbers from 1 to 1023, as 1-10,15.")
@click.option(
    "--iccid", "iccids", multiple=True, metavar="DIGITS", help="Once for each slot, in order, or not at all."
)
@click.option(
    "--imsi", "imsis", multiple=True, metavar="DIGITS", help="Once for each slot, in order, or not at all."
)
@click.option("--mcc-mnc", metavar="DIGITS", help="Home network of the cards, five or six digits.")
@click.option("--carrier", metavar="NAME", help="The carrier that routers may ask for.")
@click.option(
    "--kind",
    type=click.Choice(["physical", "virtual", "ki-virtual"]),
    metavar="KIND",
    default="physical",
    show_default=True,
    help="What is behind the numbers, see above.",
)
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
    """Add slots to a bank, all or none.

    \b
    physical    a card in a reader              ONE_TO_ONE_SWSIM
    virtual     a virtual SIM of its own        ONE_TO_ONE_VSIM
    ki-virtual  its keys are in a master card   KI_PROXY_SWSIM

    Example: ionmesh slot add --bank 1 --slots 1-8 --mcc-mnc 26201
    """
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


@click.command("import")
@database_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_slots(database: str | None, file: Path) -> None:
    """Add the slots in a CSV FILE, all or none.

    Its first line names the columns: bank_id and slot_id, and any of kind, iccid, imsi, mcc_mnc and
    carrier. The banks must be there.
    """
    from ionmesh.importing import read_slots
    from ionmesh.services import inventory

    count = 0
    with writing(database) as session:
        for new in read_slots(file):
            count += len(inventory.add_slots(session, None, new, _ACTOR, utcnow()))
    click.echo(f"{count} slots")
