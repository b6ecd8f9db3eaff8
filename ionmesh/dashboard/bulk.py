"""One action for many clients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from flask import request

from ionmesh.api import series
from ionmesh.api.watch_schemas import TagsBody
from ionmesh.api.wire import values_as
from ionmesh.dashboard.forms import back, text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import InvalidRequest
from ionmesh.models import Role, ServiceProfile
from ionmesh.services import alerts, clients, commands
from ionmesh.services.commands import CommandType

_MUTED_FOR = timedelta(days=1)
_MOST = 500

Action = Callable[[Visit, Sequence[ServiceProfile]], None]


@pages.post("/clients/bulk", Role.OPERATOR)
def bulk(visit: Visit) -> Done:
    """Do one thing to every chosen client that has a slot."""
    action = _ACTIONS.get(text("action"))
    chosen = set(request.form.getlist("client"))
    if action is None or not 1 <= len(chosen) <= _MOST:
        raise InvalidRequest("nothing_chosen", f"Choose an action and 1 to {_MOST} clients.")
    with visit.database.read() as session:
        profiles = clients.find_many(session, visit.tenant_id, chosen)
    if profiles:
        action(visit, profiles)
    return Done(back(to("clients")), "bulk" if len(profiles) == len(chosen) else "bulk_partly")


def _queue(kind: CommandType) -> Action:
    def queue(visit: Visit, profiles: Sequence[ServiceProfile]) -> None:
        call = visit.call
        life = timedelta(seconds=call.run.config.command_ttl_s)
        with visit.database.write() as session:
            for profile in profiles:
                commands.queue(session, profile, kind, {}, actor=call.actor, now=call.now, life=life)

    return queue


def _change_tags(member: str) -> Action:
    def change(visit: Visit, profiles: Sequence[ServiceProfile]) -> None:
        names = [profile.client_id for profile in profiles]
        series.change_tags(visit.call, values_as(TagsBody, {"client_ids": names, member: [text("tag")]}))

    return change


def _mute(visit: Visit, profiles: Sequence[ServiceProfile]) -> None:
    call = visit.call
    with visit.database.write() as session:
        for profile in profiles:
            until = call.now + _MUTED_FOR
            alerts.mute(session, visit.tenant_id, profile.client_id, until, call.actor, call.now)


_ACTIONS: dict[str, Action] = {
    "restart": _queue(CommandType.RESTART),
    "reregister": _queue(CommandType.REREGISTER),
    "tag": _change_tags("add"),
    "untag": _change_tags("remove"),
    "mute": _mute,
}
