"""Signing in, with a second factor where there is one, and out."""

from __future__ import annotations

import logging

from flask import Response, make_response, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from ionmesh.api import auth
from ionmesh.api.context import runtime
from ionmesh.api.errors import status_of
from ionmesh.dashboard import cookies, csrf
from ionmesh.dashboard.forms import is_local, text
from ionmesh.dashboard.gate import Visit, pages, to
from ionmesh.dashboard.i18n import translate as _
from ionmesh.dashboard.state import state
from ionmesh.errors import ServiceError, SignInRefused, TooManyRequests, Unauthorized
from ionmesh.models import Role, User
from ionmesh.services import audit, second_factor, sessions, users

log = logging.getLogger(__name__)

# Users are numbered from 1.
_NOBODY = 0


@pages.get("/sign-in", role=None)
def sign_in() -> Response:
    """Show the form for address and password."""
    return _form("sign_in.html")


@pages.post("/sign-in", role=None)
def take_password() -> BaseResponse:
    """Check address and password."""
    run, email = runtime(), text("email").lower()
    limit = state().sign_in_limit
    try:
        auth.spend(limit, "address", request.remote_addr)
        auth.spend(limit, "account", email)
        with run.database.read() as session:
            user = users.authenticate(session, email, request.form.get("password", ""))
            half_way = second_factor.enabled(session, user.user_id)
    except ServiceError as error:
        if isinstance(error, Unauthorized):
            _note_failure(error.user_id if isinstance(error, SignInRefused) else None, "password")
        return _refused("sign_in.html", error, email=email)
    return _signed_in(user, complete=not half_way)


@pages.get("/sign-in/code", role=None)
def sign_in_code() -> BaseResponse:
    """Show the form for the second factor."""
    return _form("sign_in_code.html") if _half_way() else redirect(to("sign_in"), 303)


@pages.post("/sign-in/code", role=None)
def take_code() -> BaseResponse:
    """Check the second factor; one code opens one session."""
    run, user = runtime(), _half_way()
    if user is None:
        return redirect(to("sign_in"), 303)
    try:
        auth.spend(state().sign_in_limit, "code", user.user_id)
        with run.database.write() as session:
            second_factor.verify(
                session, user.user_id, text("code"), pepper=run.config.key_pepper, now=run.clock()
            )
    except ServiceError as error:
        if isinstance(error, Unauthorized):
            _note_failure(user.user_id, "code")
        return _refused("sign_in_code.html", error)
    return _signed_in(user, complete=True)


@pages.post("/sign-out", Role.VIEWER)
def sign_out(visit: Visit) -> BaseResponse:
    """End this session."""
    with visit.database.write() as session:
        sessions.end(session, visit.token)
        _record(session, visit.user, "user_signed_out")
    response = redirect(to("sign_in"), 303)
    cookies.drop_session(response)
    # What the browser kept for the time without a network is this person's.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


def destination() -> str:
    """Return the path the person wanted when they were asked to sign in; never one of another site."""
    wanted = request.values.get("next", "")
    return wanted if is_local(wanted) else to("overview")


def _signed_in(user: User, *, complete: bool) -> BaseResponse:
    run, old = runtime(), cookies.session_token()
    with run.database.write() as session:
        if old is not None:
            sessions.end(session, old)
        token = sessions.begin(
            session,
            user,
            complete=complete,
            source_ip=request.remote_addr,
            user_agent=request.user_agent.string,
            now=run.clock(),
        )
        if complete:
            _record(session, user, "user_signed_in", source_ip=request.remote_addr)
    target = destination() if complete else to("sign_in_code", next=destination())
    response = redirect(target, 303)
    cookies.keep_session(response, token)
    return response


def _half_way() -> User | None:
    """Return the user whose password was right and whose second factor is to come."""
    token, run = cookies.session_token(), runtime()
    if token is None:
        return None
    with run.database.read() as session:
        found = sessions.find(session, token, run.clock())
    return None if found is None or found.complete else found.user


def _form(template: str, **values: object) -> Response:
    visitor = cookies.visitor() or cookies.new_visitor()
    token = csrf.token(cookies.session_token() or visitor)
    response = make_response(render_template(template, csrf=token, next=destination(), **values))
    cookies.keep_visitor(response, visitor)
    return response


def _refused(template: str, error: ServiceError, **values: object) -> Response:
    problem = _("That is not right. Check what you typed.")
    if isinstance(error, TooManyRequests):
        problem = _("Too many attempts. Wait a minute.")
    elif not isinstance(error, Unauthorized):
        problem = error.message
    response = _form(template, problem=problem, **values)
    response.status_code = status_of(error)
    return response


def _note_failure(user_id: int | None, factor: str) -> None:
    """Write down whose `password` or `code` was wrong; of addresses that are nobody's the log has a line.

    Nobody can fill the audit log by making up addresses, and how often one that exists is tried is limited.
    """
    source_ip = request.remote_addr
    with runtime().database.write() as session:
        user = session.get(User, user_id or _NOBODY)
        entered = user or User(user_id=_NOBODY, email="")
        _record(session, entered, "user_sign_in_failed", source_ip=source_ip, factor=factor)
        if user is None:
            # Written and taken back, so that the time it takes does not tell which addresses exist.
            session.flush()
            session.rollback()
    if user is None:
        # Not what was typed: it may be a password.
        log.info("somebody at %s tried to sign in with an address that is no user's", source_ip)


def _record(session: Session, user: User, action: str, **details: object) -> None:
    audit.record(
        session,
        tenant_id=user.tenant_id,
        actor=users.actor(user),
        action=action,
        subject=f"user {user.user_id}",
        now=runtime().clock(),
        **details,
    )
