"""What operators note about clients: free text, and tags for finding and grouping them.

Both are of the client's active profile and go over to its next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Text, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from ionmesh.errors import InvalidRequest
from ionmesh.models import ProfileStatus, ServiceProfile
from ionmesh.services import audit, clients

TAGS_MAX = 32


def set_note(
    session: Session, tenant_id: int, client_id: str, text: str | None, actor: str, now: datetime
) -> ServiceProfile:
    """Replace the note of a client, at most 1024 characters; None takes it away. Raises NotFound."""
    return clients.change(session, tenant_id, client_id, {"notes": text or None}, actor, now)


def set_tags(
    session: Session, tenant_id: int, client_id: str, tags: Sequence[str], actor: str, now: datetime
) -> ServiceProfile:
    """Replace the tags of a client. Raises NotFound; InvalidRequest for more than TAGS_MAX."""
    return clients.change(session, tenant_id, client_id, {"tags": _tidy(tags)}, actor, now)


def change_tags(
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
    profiles = session.scalars(
        select(ServiceProfile).where(
            ServiceProfile.tenant_id == tenant_id,
            ServiceProfile.client_id.in_(client_ids),
            ServiceProfile.status == ProfileStatus.ACTIVE,
        )
    ).all()
    entries = []
    for profile in profiles:
        tags = _tidy([*(tag for tag in profile.tags if tag not in remove), *add])
        if tags != profile.tags:
            profile.tags = tags
            details = {"changed": ["tags"]}
            entries.append(audit.Entry(tenant_id, actor, "client_changed", profile.client_id, details))
    for model, rows in audit.rows(session, entries, now):
        session.add_all(model(**row) for row in rows)
    return len(entries)


def tags(session: Session, tenant_id: int) -> dict[str, int]:
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


def _tidy(tags: Sequence[str]) -> list[str]:
    tidy = list(dict.fromkeys(tags))
    if len(tidy) > TAGS_MAX:
        raise InvalidRequest("too_many_tags", f"a client has at most {TAGS_MAX} tags")
    return tidy
