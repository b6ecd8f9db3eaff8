"""People of the tenant. Nobody makes or changes somebody of a higher role than their own."""

from __future__ import annotations

from flask import render_template
from sqlalchemy.orm import Session

from ionmesh.api import accounts as api
from ionmesh.api.admin_schemas import UserBody, UserChange
from ionmesh.dashboard.forms import form_as
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.errors import Forbidden
from ionmesh.models import Role, User
from ionmesh.services import second_factor
from ionmesh.services import users as service

_ROLES = tuple((role.value, role.value) for role in Role)


@pages.get("/users", Role.ADMIN)
def users(visit: Visit) -> str:
    """List the people."""
    with visit.database.read() as session:
        factors = second_factor.enabled_users(session, visit.tenant_id)
        rows = [(user, user.user_id in factors) for user in service.listed(session, visit.tenant_id)]
    roles = [role for role in _ROLES if visit.may(Role(role[0]))]
    return render_template("users.html", users=rows, roles=roles)


@pages.post("/users", Role.ADMIN)
def create_user(visit: Visit) -> Done:
    """Add somebody."""
    body = form_as(UserBody)
    _refuse_higher(visit, body.role)
    api.create_user(visit.call, body)
    return Done(to("users"), "created")


@pages.post("/users/<int:user_id>", Role.ADMIN)
def change_user(visit: Visit, user_id: int) -> Done:
    """Change name, role, password or admission of somebody."""
    body = form_as(UserChange)
    with visit.database.read() as session:
        _own(visit, session, user_id)
    if "role" in body.model_fields_set:
        _refuse_higher(visit, body.role)
    api.change_user(visit.call, body, user_id)
    return Done(to("users"), "noted")


@pages.post("/users/<int:user_id>/second-factor/off", Role.ADMIN)
def reset_second_factor(visit: Visit, user_id: int) -> Done:
    """Turn somebody's second factor off, who lost it."""
    with visit.database.read() as session:
        _own(visit, session, user_id)
    api.reset_second_factor(visit.call, user_id)
    return Done(to("users"), "totp_off")


@pages.post("/users/<int:user_id>/delete", Role.ADMIN)
def delete_user(visit: Visit, user_id: int) -> Done:
    """Remove somebody."""
    with visit.database.read() as session:
        _own(visit, session, user_id)
    api.delete_user(visit.call, user_id)
    return Done(to("users"), "deleted")


def _own(visit: Visit, session: Session, user_id: int) -> User:
    """Return somebody the person may change. Raises NotFound, Forbidden for a higher role."""
    user = service.find(session, visit.tenant_id, user_id)
    _refuse_higher(visit, user.role)
    return user


def _refuse_higher(visit: Visit, role: Role) -> None:
    if not visit.may(role):
        raise Forbidden("role_missing", f"This needs the role {role.value}.")
