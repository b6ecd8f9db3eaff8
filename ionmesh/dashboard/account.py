"""One's own account: password, second factor, sessions, and the browsers that are told of alerts."""

from __future__ import annotations

import segno
from flask import render_template, request

from ionmesh.api import auth
from ionmesh.dashboard.forms import text
from ionmesh.dashboard.gate import Done, Visit, pages, to
from ionmesh.dashboard.state import state
from ionmesh.errors import InvalidRequest, Unauthorized
from ionmesh.models import Role
from ionmesh.services import push, second_factor, sessions, users


@pages.get("/account")
def account(visit: Visit) -> str:
    """Show one's own account."""
    with visit.database.read() as session:
        return render_template(
            "account.html",
            factor=second_factor.enabled(session, visit.user.user_id),
            codes_left=second_factor.codes_left(session, visit.user.user_id),
            sessions=sessions.listed(session, visit.user.user_id, visit.call.now),
            browsers=push.listed(session, visit.tenant_id, visit.user.user_id),
        )


@pages.post("/account/password", Role.VIEWER)
def change_password(visit: Visit) -> Done:
    """Set another password; every session ends, this one too, and one signs in anew."""
    _check_password(visit)
    with visit.database.write() as session:
        values = {"password": request.form.get("password", "")}
        users.change(session, visit.tenant_id, visit.user.user_id, values, visit.call.actor, visit.call.now)
    return Done(to("sign_in"), "password")


@pages.post("/account/sessions/end", Role.VIEWER)
def end_other_sessions(visit: Visit) -> Done:
    """End all other sessions."""
    with visit.database.write() as session:
        sessions.end_others(session, visit.user.user_id, visit.token)
    return Done(to("account"), "signed_out_others")


@pages.post("/account/second-factor", Role.VIEWER)
def enrol_second_factor(visit: Visit) -> str:
    """Make a secret and show it as a QR code, this once; it counts after the first code."""
    _check_password(visit)
    with visit.database.write() as session:
        pepper = visit.call.run.config.key_pepper
        enrolment = second_factor.enrol(session, visit.user, pepper=pepper, now=visit.call.now)
    picture = segno.make(enrolment.uri, error="m").svg_data_uri(scale=5, border=4)
    return render_template("second_factor.html", secret=enrolment.secret, picture=picture)


@pages.post("/account/second-factor/confirm", Role.VIEWER)
def confirm_second_factor(visit: Visit) -> str:
    """Turn the second factor on with the first code, and show the recovery codes, this once."""
    with visit.database.write() as session:
        pepper = visit.call.run.config.key_pepper
        codes = second_factor.confirm(session, visit.user, text("code"), pepper=pepper, now=visit.call.now)
        sessions.end_others(session, visit.user.user_id, visit.token)
    return render_template("recovery_codes.html", codes=codes)


@pages.post("/account/second-factor/codes", Role.VIEWER)
def renew_recovery_codes(visit: Visit) -> str:
    """Make new recovery codes in place of all earlier ones and show them, this once."""
    _check_password(visit)
    with visit.database.write() as session:
        codes = second_factor.renew_codes(session, visit.user, visit.call.now)
    return render_template("recovery_codes.html", codes=codes)


@pages.post("/account/second-factor/off", Role.VIEWER)
def end_second_factor(visit: Visit) -> Done:
    """Turn the second factor off."""
    _check_password(visit)
    with visit.database.write() as session:
        second_factor.disable(session, visit.user, visit.call.actor, visit.call.now)
    return Done(to("account"), "totp_off")


def _check_password(visit: Visit) -> None:
    """Raise InvalidRequest unless the form has the present password: a browser left open is not enough."""
    auth.spend(state().sign_in_limit, "account", visit.user.email)
    try:
        with visit.database.read() as session:
            users.authenticate(session, visit.user.email, request.form.get("current_password", ""))
    except Unauthorized as error:
        raise InvalidRequest("bad_password", "The present password is not right.") from error
