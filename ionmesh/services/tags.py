"""Tags, by which operators find and group clients.

They are of the client's active profile and go over to its next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, Text, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from ionmesh.db import add_rows
from ionmesh.errors import InvalidRequest
from ionmesh.models import ProfileStatus, ServiceProfile
from ionmesh.services import audit, clients

TAGS_MAX = 32


def change(
    session: Session,
    tenant_id: int,
    client_ids: Collection[str],
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    actor: str,
    now: datetime,
) -> int:
    """Add and remove tags of many clients at once; clients without a slot are left out.

    Returns how many clients changed. Raises InvalidRequest when one would have more than TAGS_MAX.
    """
    entries = []
    for profile in clients.find_many(session, tenant_id, client_ids):
        tags = list(dict.fromkeys([*(tag for tag in profile.tags if tag not in remove), *add]))
        if len(tags) > TAGS_MAX:
            raise InvalidRequest("too_many_tags", f"a client has at most {TAGS_MAX} tags")
        if tags != profile.tags:
            profile.tags = tags
            details = {"changed": ["tags"]}
            entries.append(audit.Entry(tenant_id, actor, "client_changed", profile.client_id, details))
    add_rows(session, audit.rows(session, entries, now))
    return len(entries)


def in_use(session: Session, tenant_id: int) -> dict[str, int]:
    """Return the tags in use by name, and how many active clients have each."""
    rows = session.scalars(
        select(ServiceProfile.tags).where(
            ServiceProfile.tenant_id == tenant_id,
            ServiceProfile.status == ProfileStatus.ACTIVE,
            cast(ServiceProfile.tags, Text) != "[]",
        )
    )
    return dict(sorted(Counter(tag for row in rows for tag in row).items()))


def tagged(session: Session, tag: str) -> ColumnElement[bool]:
    """Return the condition that a ServiceProfile has the tag."""
    if session.get_bind().dialect.name == "postgresql":
        return cast(ServiceProfile.tags, JSONB).contains([tag])
    each = func.json_each(ServiceProfile.tags).table_valued("value")
    return select(true()).select_from(each).where(each.c.value == tag).exists()
