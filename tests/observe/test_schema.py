"""Which files are opened as a recording, which are damaged, and which only cannot be opened now."""

import sqlite3
from pathlib import Path

import pytest

from remsimd.observe import schema
from remsimd.observe.errors import DamagedError, HistoryError


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "history.db"
    schema.connect(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    schema.connect(path).close()
    schema.remove(path)
    assert list(path.parent.iterdir()) == []


def test_a_file_of_another_version_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    database.close()
    with pytest.raises(DamagedError, match="another version"):
        schema.connect(path)


@pytest.mark.parametrize("content", [b"no database, whatever its name says" * 50, b"SQLite format 3\0" * 100])
def test_what_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"history\.db"):
        schema.connect(path)


def test_a_page_that_was_overwritten_is_found(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    database = schema.connect(path)
    rows = ((0, t, 1, 0, 0, 0, 1, 0) for t in range(5000))
    database.executemany("INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    database.close()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = bytes(range(256)) * 16
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        schema.connect(path)


def test_a_folder_that_is_none_can_be_put_right(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError) as refused:
        schema.connect(tmp_path / "file" / "history.db")
    assert not isinstance(refused.value, DamagedError)


def test_a_database_that_another_program_holds_can_be_had_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "history.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("CREATE TABLE other (x)")
    holder.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **kept: connect(*given, **{**kept, "timeout": 0}))
    with pytest.raises(HistoryError, match="locked") as refused:
        schema.connect(path)
    assert not isinstance(refused.value, DamagedError)
    holder.close()
