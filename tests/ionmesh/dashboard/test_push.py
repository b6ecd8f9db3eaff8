"""Push messages: a person's browsers are that person's, whoever else signs in."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from ionmesh.db import Database
from ionmesh.models import PushMessage, Role
from tests.ionmesh.dashboard.conftest import BOTH, Person
from tests.ionmesh.dashboard.fleet import Fleet
from tests.ionmesh.services.browser import ELSEWHERE

OTHER = ELSEWHERE | {"endpoint": "https://push.example.com/send/other"}
JSON = {"Accept": "application/json"}


def numbers(person: Person) -> list[int]:
    """The browsers a person's account shows."""
    page = person.get("/account").text
    return [int(number) for number in re.findall(r'action="/push/subscriptions/(\d+)/delete"', page)]


@BOTH
def test_a_browser_is_added_tested_and_removed_by_its_person(
    person: Callable[[Role], Person], fleet: Fleet, database: Database
) -> None:
    viewer, owner = person(Role.VIEWER), person(Role.OWNER)
    assert len(viewer.get("/push/key.json").json["key"]) == 87
    assert viewer.post("/push/subscriptions", ELSEWHERE).location == "/account?done=noted"
    assert viewer.post("/push/subscriptions", OTHER | {"min_severity": "critical"}).status_code == 303
    first, second = numbers(viewer)
    assert numbers(owner) == []
    for path in (f"{first}/test", f"{first}/delete"):
        assert owner.post(f"/push/subscriptions/{path}", None, **JSON).json["code"] == "no_subscription"
    taken = owner.post("/push/subscriptions/end", {"endpoint": ELSEWHERE["endpoint"]}, **JSON)
    assert taken.json["code"] == "no_subscription"
    assert viewer.post(f"/push/subscriptions/{first}/test").location == "/account?done=tested"
    with database.read() as session:
        assert session.scalars(select(PushMessage.subscription_id)).all() == [first]
    assert viewer.post("/push/subscriptions/end", {"endpoint": ELSEWHERE["endpoint"]}).status_code == 303
    assert viewer.post(f"/push/subscriptions/{second}/delete").location == "/account?done=deleted"
    assert numbers(viewer) == []
    gone = viewer.post("/push/subscriptions/end", {"endpoint": ELSEWHERE["endpoint"]}, **JSON)
    assert (gone.status_code, gone.json["code"]) == (404, "no_subscription")


def test_a_browser_that_somebody_else_signs_in_with_becomes_theirs(
    person: Callable[[Role], Person], fleet: Fleet
) -> None:
    viewer, owner = person(Role.VIEWER), person(Role.OWNER)
    viewer.post("/push/subscriptions", ELSEWHERE)
    owner.post("/push/subscriptions", ELSEWHERE)
    assert (numbers(viewer), len(numbers(owner))) == ([], 1)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"endpoint": "http://push.example.com/"}, "bad_url"),
        ({"endpoint": "https://127.0.0.1/"}, "bad_url"),
        ({"endpoint": "push"}, "invalid_request"),
        ({"p256dh": "AAAA"}, "bad_subscription"),
        ({"auth": "AAAA"}, "bad_subscription"),
        ({"min_severity": "none"}, "invalid_request"),
    ],
)
def test_what_is_no_subscription_is_refused(viewer: Person, wrong: dict[str, str], code: str) -> None:
    refused = viewer.post("/push/subscriptions", ELSEWHERE | wrong, **JSON)
    assert (refused.status_code, refused.json["code"]) == (400, code)
