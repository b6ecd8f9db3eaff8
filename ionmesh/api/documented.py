"""Paths that earlier documents name and programs of operators may still call; each has a successor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from flask import Blueprint, Response

from ionmesh.api import fleet
from ionmesh.api.prefix import API_PREFIX
from ionmesh.api.routing import Call, Routes
from ionmesh.api.schemas import CommandBody, ReassignBody
from ionmesh.services.commands import CommandType

_CLIENT = f"{API_PREFIX}/clients/<client_id>"

routes = Routes(Blueprint("documented", __name__, url_prefix="/admin"))


@routes.post("/openwrt-clients/<client_id>/restart", successor=f"{_CLIENT}/commands")
def restart_client(call: Call, client_id: str) -> dict[str, Any]:
    """Queue a restart of the client."""
    queued = fleet.queue_command(call, CommandBody(type=CommandType.RESTART), client_id)
    command = cast("Mapping[str, Any]", queued)["command"]
    return {"message": "Restart command queued", "command_id": command["id"]}


@routes.post("/openwrt-clients/<client_id>/reassign", ReassignBody, successor=f"{_CLIENT}/reassign")
def move_client(call: Call, body: ReassignBody, client_id: str) -> Mapping[str, Any] | Response:
    """Move a client to a named free slot."""
    return fleet.reassign_client(call, body, client_id)
