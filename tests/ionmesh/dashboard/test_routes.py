"""Every route as every role, without a session, without the form's token, and from another tenant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from ionmesh.dashboard import site
from ionmesh.dashboard.gate import Page, pages
from ionmesh.db import Database
from ionmesh.models import Role
from tests.ionmesh.conftest import START
from tests.ionmesh.dashboard.conftest import EVERYWHERE, Person
from tests.ionmesh.dashboard.fleet import Fleet, other_tenant

RANKS = (Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.OWNER)
VALUES = {
    "client_id": "tram-0001-slot0",
    "command_id": "00000000-0000-4000-8000-000000000000",
    "bank_id": "1",
    "slot_id": "1",
    "what": "clients",
    "form": "csv",
    "shown": "0",
    "name": "app.css",
}
POLICY = dict(part.partition(" ")[::2] for part in site._POLICY.split("; "))


def url_of(page: Page) -> str:
    """A path of the page; numbers are of rows that exist, as far as the fleet has some."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda match: VALUES.get(match[1], "1"), page.path)


def table(method: str, *, opened: bool = False) -> list[Page]:
    return [page for page in pages.table if page.method == method and (page.role is None) is opened]


def test_the_table_is_all_there_is(app: Flask) -> None:
    """A route beside the table would have neither role check nor token check."""
    listed = {(page.method, f"dashboard.{page.endpoint}") for page in pages.table}
    registered = {
        (method, rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("dashboard.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert registered == listed
    assert {page.endpoint for page in table("POST", opened=True)} == {"take_password", "take_code"}


@EVERYWHERE
def test_each_page_is_shown_to_its_roles_and_no_others(person: Callable[[Role], Person]) -> None:
    for role in Role:
        someone = person(role)
        for page in table("GET"):
            if page.endpoint == "live_stream":
                continue
            assert page.role is not None
            answer = someone.get(url_of(page))
            if RANKS.index(role) < RANKS.index(page.role):
                assert answer.status_code == 403, (role, page)
            else:
                assert answer.status_code in (200, 302), (role, page, answer.text)


def test_nothing_is_changed_by_a_lower_role(person: Callable[[Role], Person]) -> None:
    for role in Role:
        someone = person(role)
        for page in table("POST"):
            assert page.role is not None
            if RANKS.index(role) < RANKS.index(page.role):
                answer = someone.post(url_of(page), Accept="application/json")
                assert (answer.status_code, answer.json["code"]) == (403, "role_missing"), (role, page)


def test_nothing_is_changed_without_the_form_s_token(owner: Person, app: Flask) -> None:
    token = owner.token
    for owner.token in ("", "0" * 64, token[:-1], "é" * 64):
        for page in table("POST"):
            answer = owner.post(url_of(page), Accept="application/json")
            assert (answer.status_code, answer.json["code"]) == (403, "csrf"), page
    owner.token = token
    for where in ("cross-site", "same-site"):
        for page in table("POST"):
            answer = owner.post(url_of(page), None, **{"Accept": "application/json", "Sec-Fetch-Site": where})
            assert answer.json["code"] == "csrf", page
    stranger: Any = app.test_client()
    for page in table("POST", opened=True):
        answer = stranger.post(url_of(page), headers={"Accept": "application/json"})
        assert answer.json["code"] == "csrf", page


def test_a_token_is_of_one_session(person: Callable[[Role], Person]) -> None:
    one, other = person(Role.OWNER), person(Role.OWNER)
    one.token = other.token
    assert one.post("/account/sessions/end").status_code == 403


def test_nobody_gets_in_without_a_session(app: Flask, fleet: Fleet) -> None:
    http: Any = app.test_client()
    http.set_cookie("ionmesh_session", "x" * 43)
    for page in pages.table:
        if page.role is None:
            continue
        answer = http.open(url_of(page), method=page.method, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json["code"]) == (401, "signed_out"), page


@EVERYWHERE
def test_another_tenant_finds_nothing_of_this_one(app: Flask, fleet: Fleet, database: Database) -> None:
    other_tenant(database, "spy@example.com", START)
    spy = Person(app.test_client())
    spy.sign_in("spy@example.com")
    known = (
        "metro",
        "Metro",
        "tram-",
        "Amsterdam",
        "ops.example.com",
        "894902",
        "26201",
        "owner@example.com",
    )
    for page in table("GET"):
        if page.endpoint == "live_stream":
            continue
        answer = spy.get(url_of(page))
        if "<client_id>" in page.path and "details" not in page.path:
            assert answer.status_code == 404, page
        shown = answer.text.replace("tram-0001-slot0", "")
        assert [word for word in known if word in shown] == [], page
    fields = {"place": "1/230", "type": "restart", "subject": "x", "hours": "1", "enabled": "false"}
    for page in table("POST"):
        if re.search(r"<int:|<client_id>", page.path):
            answer = spy.post(url_of(page), fields, Accept="application/json")
            own = page.endpoint in ("change_user", "reset_second_factor", "delete_user")
            assert answer.status_code in ((404, 409, 303, 200) if own else (400, 404)), (page, answer.text)


def test_every_page_forbids_scripts_and_styles_of_others(owner: Person, app: Flask) -> None:
    for page in [*table("GET"), *table("GET", opened=True)]:
        if page.endpoint == "live_stream":
            continue
        answer = owner.get(url_of(page))
        policy = dict(
            part.partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split("; ")
        )
        assert policy == POLICY, page
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        if answer.mimetype == "text/html":
            assert_no_inline(answer.text)
        if page.role is not None:
            assert answer.headers["Cache-Control"] == "no-store", page
    assert "unsafe" not in site._POLICY


def assert_no_inline(page: str) -> None:
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page), page
    for script in re.findall(r"<script[^>]*>", page):
        assert "src=" in script


@pytest.mark.parametrize("path", ["/clients/nobody", "/banks/1023", "/banks/5000", "/banks/1/slots/1000"])
def test_what_is_not_there_is_told_as_a_page(owner: Person, path: str) -> None:
    answer = owner.get(path)
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "To the overview" in answer.text
