"""Signing in and out, sessions, and the second factor."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyotp
import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from ionmesh.app import create_app
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.models import Role
from ionmesh.services import audit, users
from tests.ionmesh.conftest import START, ManualClock, rows_count
from tests.ionmesh.dashboard.conftest import EVERYWHERE, Person, token_of
from tests.ionmesh.dashboard.fleet import PASSWORD, Fleet, other_tenant


def test_whoever_is_not_signed_in_is_led_there_and_back(app: Flask, fleet: Fleet) -> None:
    someone = Person(app.test_client())
    led = someone.get("/clients?state=critical")
    assert (led.status_code, led.location) == (303, "/sign-in?next=/clients?state%3Dcritical")
    assert 'value="/clients?state=critical"' in someone.get(led.location).text
    back = someone.sign_in(fleet.email(Role.VIEWER), next="/clients?state=critical")
    assert back.location == "/clients?state=critical"


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:x"],
)
def test_nobody_is_led_to_another_site(app: Flask, fleet: Fleet, wanted: str) -> None:
    assert Person(app.test_client()).sign_in(fleet.email(Role.VIEWER), next=wanted).location == "/"


@pytest.mark.parametrize(
    ("email", "password"),
    [("owner@example.com", "wrong"), ("nobody@example.com", PASSWORD), ("owner@example.com", "")],
)
def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    app: Flask, fleet: Fleet, email: str, password: str
) -> None:
    answer = Person(app.test_client()).sign_in(email, password)
    assert answer.status_code == 401
    assert "That is not right" in answer.text
    assert "ionmesh_session" not in str(answer.headers)


def failures(database: Database, tenant_id: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Who failed to sign in and how, as a tenant's audit log has it, the latest first."""
    with database.read() as session:
        entries, _ = audit.entries(session, tenant_id, action="user_sign_in_failed", offset=0, limit=99)
    return [(entry.actor, entry.subject, entry.details) for entry in entries]


@EVERYWHERE
def test_a_failed_sign_in_is_in_the_audit_log_of_its_tenant(
    app: Flask, fleet: Fleet, database: Database
) -> None:
    other, made = other_tenant(database, "eve@example.org", START)
    someone = Person(app.test_client())
    someone.http.environ_base |= {"REMOTE_ADDR": "192.0.2.7"}
    assert someone.sign_in("Eve@Example.org", "not this one").status_code == 401
    assert failures(database, fleet.tenant_id) == []
    ((actor, subject, details),) = failures(database, other)
    assert (actor, subject) == ("eve@example.org", f"user {made.user_id}")
    assert details == {"source_ip": "192.0.2.7", "factor": "password"}

    assert someone.sign_in("owner@example.com", "wrong").status_code == 401
    assert [actor for actor, _, _ in failures(database, fleet.tenant_id)] == ["owner@example.com"]
    assert len(failures(database, other)) == 1


def test_somebody_who_may_not_in_is_noted_and_somebody_who_does_not_exist_is_not(
    app: Flask, fleet: Fleet, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ionmesh")
    with database.write() as session:
        users.by_address(session, "viewer@example.com").enabled = False
    before = rows_count(database)
    someone = Person(app.test_client())
    assert someone.sign_in("nobody@example.com", "a secret").status_code == 401
    assert rows_count(database) == before
    assert "127.0.0.1 tried to sign in with an address that is no user's" in caplog.text
    assert "nobody" not in caplog.text
    assert someone.sign_in("viewer@example.com").status_code == 401
    assert [actor for actor, _, _ in failures(database, fleet.tenant_id)] == ["viewer@example.com"]


def test_attempts_beyond_the_limit_are_not_noted(app: Flask, fleet: Fleet, database: Database) -> None:
    someone = Person(app.test_client())
    answers = [someone.sign_in("owner@example.com", "wrong").status_code for _ in range(13)]
    assert answers == [401] * 10 + [429] * 3
    assert len(failures(database, fleet.tenant_id)) == 10


def test_attempts_are_limited_for_an_account_from_wherever(app: Flask, fleet: Fleet) -> None:
    for attempt in range(10):
        someone = Person(app.test_client())
        environ = {"REMOTE_ADDR": f"192.0.2.{attempt}"}
        someone.http.environ_base |= environ
        assert someone.sign_in("owner@example.com", "wrong").status_code == 401
    assert someone.sign_in("owner@example.com").status_code == 429
    someone.http.environ_base |= {"REMOTE_ADDR": "192.0.2.99"}
    assert someone.sign_in("admin@example.com").status_code == 303


@pytest.mark.parametrize(("public_url", "secure"), [("https://ionmesh.example.com", True), (None, False)])
def test_cookies_are_for_this_site_alone(
    database: Database, fleet: Fleet, clock: ManualClock, public_url: str | None, secure: bool
) -> None:
    app = create_app(Config(public_url=public_url), database=database, clock=clock)
    base = "https://ionmesh.example.com" if secure else "http://localhost"
    http = app.test_client()
    page = http.get("/sign-in", base_url=base)
    form = {"csrf": token_of(page.text), "email": "viewer@example.com", "password": PASSWORD}
    answer = http.post("/sign-in", data=form, base_url=base)
    for cookie in (*page.headers.getlist("Set-Cookie"), *answer.headers.getlist("Set-Cookie")):
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert ("Secure" in cookie) is secure


def test_pages_work_below_another_application(app: Flask, fleet: Fleet) -> None:
    mounted = Flask("other")
    mounted.wsgi_app = DispatcherMiddleware(mounted.wsgi_app, {"/mesh": app.wsgi_app})  # type: ignore[method-assign]  # as Flask documents it
    http: Any = mounted.test_client()
    led = http.get("/mesh/clients?q=a")
    assert led.location == "/mesh/sign-in?next=/mesh/clients?q%3Da"
    page = http.get(led.location)
    form = {"csrf": token_of(page.text), "email": fleet.email(Role.OWNER), "password": PASSWORD}
    back = http.post("/mesh/sign-in", data=form | {"next": "/mesh/clients?q=a"})
    assert back.location == "/mesh/clients?q=a"
    assert "Path=/mesh" in back.headers["Set-Cookie"]
    shown = http.get("/mesh/").text
    inner = re.findall(r'(?:href|src|action)="(/[^"]*)"', shown)
    assert [url for url in inner if not url.startswith("/mesh/")] == []
    assert http.get("/mesh/manifest.webmanifest").json["scope"] == "/mesh/"


def test_a_session_ends_with_signing_out(owner: Person) -> None:
    kept = owner.http.get_cookie("ionmesh_session")
    assert kept is not None
    assert owner.post("/sign-out").location == "/sign-in"
    owner.http.set_cookie("ionmesh_session", kept.value)
    assert owner.get("/").location == "/sign-in"


@pytest.mark.parametrize(
    ("pause_s", "pauses", "over"), [(43_200, 1, True), (39_600, 3, False), (39_600, 16, True)]
)
def test_a_session_ends_by_idleness_and_by_age(
    owner: Person, clock: ManualClock, pause_s: int, pauses: int, over: bool
) -> None:
    for _ in range(pauses):
        clock.advance(pause_s)
        status = owner.get("/").status_code
    assert (status == 303) is over


def test_another_password_ends_every_session(person: Callable[[Role], Person], app: Flask) -> None:
    here, there = person(Role.VIEWER), person(Role.VIEWER)
    wrong = {"current_password": "wrong", "password": "another-good-password"}
    assert here.post("/account/password", wrong).status_code == 400
    assert there.get("/").status_code == 200
    right = wrong | {"current_password": PASSWORD}
    assert here.post("/account/password", right).location == "/sign-in?done=password"
    assert {here.get("/").status_code, there.get("/").status_code} == {303}
    assert Person(app.test_client()).sign_in("viewer@example.com", "another-good-password").status_code == 303


def test_other_sessions_can_be_ended(person: Callable[[Role], Person]) -> None:
    here, there = person(Role.VIEWER), person(Role.VIEWER)
    assert here.get("/account").text.count("Werkzeug") == 2
    assert here.post("/account/sessions/end").status_code == 303
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)


def test_who_is_locked_out_is_out_at_once(person: Callable[[Role], Person]) -> None:
    owner, viewer = person(Role.OWNER), person(Role.VIEWER)
    for number in dict.fromkeys(re.findall(r'action="/users/(\d+)"', owner.get("/users").text)):
        assert owner.post(f"/users/{number}", {"enabled": "false"}).status_code == 303
    assert viewer.get("/").status_code == 303


def test_the_second_factor_is_asked_for_and_recovery_codes_are_good_once(
    app: Flask, fleet: Fleet, owner: Person, clock: ManualClock, database: Database
) -> None:
    page = owner.post("/account/second-factor", {"current_password": PASSWORD}).text
    assert "data:image/svg+xml" in page
    secret = re.search(r"data-secret[^>]*>([A-Z2-7]{32})<", page)
    assert secret
    totp = pyotp.TOTP(secret[1])
    assert owner.post("/account/second-factor/confirm", {"code": "000000"}).status_code == 400
    page = owner.post("/account/second-factor/confirm", {"code": totp.at(clock())}).text
    recovery = re.findall(r"data-recovery>([a-z2-7-]+)<", page)
    assert len(recovery) == 10

    clock.advance(60)
    for code, status in ((totp.at(clock()), 303), (recovery[0], 303), (recovery[0], 401), ("1", 401)):
        someone = Person(app.test_client())
        assert someone.sign_in("owner@example.com").location.startswith("/sign-in/code")
        assert someone.get("/").location == "/sign-in", "a password alone opens nothing"
        token = token_of(someone.get("/sign-in/code").text)
        answer = someone.http.post("/sign-in/code", data={"csrf": token, "code": code})
        assert answer.status_code == status
        assert (someone.get("/").status_code == 200) is (status == 303)
    wrong = ("owner@example.com", {"source_ip": "127.0.0.1", "factor": "code"})
    assert [(actor, details) for actor, _, details in failures(database, fleet.tenant_id)] == [wrong] * 2


def test_an_admin_turns_a_lost_second_factor_off(
    app: Flask, fleet: Fleet, person: Callable[[Role], Person], clock: ManualClock
) -> None:
    owner, viewer = person(Role.OWNER), person(Role.VIEWER)
    assert viewer.post("/account/second-factor/codes", {"current_password": PASSWORD}).status_code == 404
    page = viewer.post("/account/second-factor", {"current_password": PASSWORD}).text
    secret = re.search(r"data-secret[^>]*>([A-Z2-7]{32})<", page)
    assert secret
    code = {"code": pyotp.TOTP(secret[1]).at(clock())}
    old = re.findall(r"data-recovery>([a-z2-7-]+)<", viewer.post("/account/second-factor/confirm", code).text)
    assert viewer.post("/account/second-factor/codes", {"current_password": "wrong"}).status_code == 400
    renewed = viewer.post("/account/second-factor/codes", {"current_password": PASSWORD}).text
    new = re.findall(r"data-recovery>([a-z2-7-]+)<", renewed)
    assert (len(new), set(old) & set(new)) == (10, set())
    assert "10 recovery codes are left" in viewer.get("/account").text
    (number,) = re.findall(r'action="/users/(\d+)/second-factor/off"', owner.get("/users").text)
    assert owner.post(f"/users/{number}/second-factor/off").location == "/users?done=totp_off"
    assert owner.post(f"/users/{number}/second-factor/off").status_code == 404, "it is off"
    someone = Person(app.test_client())
    assert someone.sign_in("viewer@example.com").location == "/"


def test_the_own_second_factor_is_turned_off_with_the_password(viewer: Person, clock: ManualClock) -> None:
    page = viewer.post("/account/second-factor", {"current_password": PASSWORD}).text
    secret = re.search(r"data-secret[^>]*>([A-Z2-7]{32})<", page)
    assert secret
    viewer.post("/account/second-factor/confirm", {"code": pyotp.TOTP(secret[1]).at(clock())})
    assert viewer.post("/account/second-factor/off", {"current_password": "wrong"}).status_code == 400
    off = {"current_password": PASSWORD}
    assert viewer.post("/account/second-factor/off", off).location == "/account?done=totp_off"


def test_a_code_without_a_password_before_it_leads_to_the_sign_in(app: Flask, fleet: Fleet) -> None:
    someone = Person(app.test_client())
    someone.see_sign_in()
    assert someone.get("/sign-in/code").location == "/sign-in"
    assert someone.post("/sign-in/code", {"code": "000000"}).location == "/sign-in"


def test_half_a_sign_in_is_forgotten_after_minutes(
    app: Flask, fleet: Fleet, owner: Person, clock: ManualClock
) -> None:
    page = owner.post("/account/second-factor", {"current_password": PASSWORD}).text
    secret = re.search(r"data-secret[^>]*>([A-Z2-7]{32})<", page)
    assert secret
    owner.post("/account/second-factor/confirm", {"code": pyotp.TOTP(secret[1]).at(clock())})
    someone = Person(app.test_client())
    someone.sign_in("owner@example.com")
    assert someone.get("/sign-in/code").status_code == 200
    clock.advance(301)
    assert someone.get("/sign-in/code").location == "/sign-in"
