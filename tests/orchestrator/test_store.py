"""What is remembered over a restart, and files that hold something else."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from remsimd.assignment import Assignment, Endpoint
from remsimd.orchestrator.store import ASSIGNMENT_FILE, COMMANDS_FILE, GUESTS_FILE, Store

CARD = Assignment(client_id=1, client_slot=2, bank_id=3, slot_id=4, bankd=Endpoint("192.0.2.1", 9999))
KEPT = json.loads(json.dumps(asdict(CARD)))


def test_an_assignment_is_its_owner_s_until_it_is_taken_away(tmp_path: Path) -> None:
    mine = Store(tmp_path, "mine")
    assert mine.keep_assignment(CARD)
    assert mine.assignment() == CARD
    assert Store(tmp_path, "other").assignment() is None
    assert mine.keep_assignment(None)
    assert mine.assignment() is None
    assert mine.keep_assignment(None), "nothing to forget is as good"


def test_guests_are_kept_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path, "mine")
    assert store.guests() == {}
    store.keep_guests({"a": CARD})
    assert store.guests() == {"a": CARD}
    assert Store(tmp_path, "other").guests() == {}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"format": 99},
        {"format": 1, "owner": "mine"},
        {"format": 1, "owner": "mine", "assignment": [], "guests": [], "commands": {}},
        {"format": 1, "owner": "mine", "assignment": {"x": 1}, "guests": {"a": 5}, "commands": [5]},
        {
            "format": 1,
            "owner": "mine",
            "assignment": {**KEPT, "bankd": {"name": "x"}},
            "guests": {"a": {**KEPT, "more": 1}},
        },
    ],
)
def test_a_file_that_holds_something_else_counts_as_absent(tmp_path: Path, document: object) -> None:
    for name in (ASSIGNMENT_FILE, COMMANDS_FILE, GUESTS_FILE):
        (tmp_path / name).write_text(json.dumps(document))
    store = Store(tmp_path, "mine")
    assert (store.assignment(), store.guests(), store.commands()) == (None, {}, [])


def test_what_cannot_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    store = Store(tmp_path / "file", "mine")
    assert not store.keep_assignment(CARD)
    assert not store.keep_commands([])
    assert not store.keep_guests({})
    assert not store.keep_assignment(None)
    assert "cannot write" in caplog.text
    assert "cannot remove" in caplog.text
