"""The recording's tables, and opening a database file so that it survives what routers go through."""

import sqlite3
from pathlib import Path

from remsimd.observe.errors import DamagedError, HistoryError

VERSION = 1

# The key begins with the time: what one minute adds lies together, so a write touches few pages.
TABLES = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, metric TEXT NOT NULL, subject TEXT NOT NULL, UNIQUE (metric, subject)
);
CREATE TABLE IF NOT EXISTS point (
    tier INTEGER NOT NULL, t INTEGER NOT NULL, series INTEGER NOT NULL,
    low INTEGER NOT NULL, high INTEGER NOT NULL, total INTEGER NOT NULL, count INTEGER NOT NULL,
    last INTEGER NOT NULL, PRIMARY KEY (tier, t, series)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, wall_s REAL NOT NULL, kind TEXT NOT NULL,
    severity TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS usage (
    day INTEGER NOT NULL, link TEXT NOT NULL, rx INTEGER NOT NULL, tx INTEGER NOT NULL,
    PRIMARY KEY (day, link)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (
    link TEXT PRIMARY KEY, boot TEXT NOT NULL, rx INTEGER NOT NULL, tx INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
# A commit appends to the log and waits for nothing: after kill -9 the kernel still has what was
# written, and what a power cut takes is in RAM anyway or ends at the last checkpoint (NORMAL).
# The log is folded in at 256 KB: RAM is what it costs. 512 KB of cache hold an hour of all tiers.
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA wal_autocheckpoint = 64",
    "PRAGMA journal_size_limit = 262144",
    "PRAGMA cache_size = -512",
    "PRAGMA temp_store = MEMORY",
)


def connect(path: Path) -> sqlite3.Connection:
    """An intact database of this version, made where there is none.

    Raises DamagedError for a file that is damaged or of another version, and HistoryError for one
    that cannot be opened now, as with a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        database = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    except (sqlite3.Error, OSError) as error:
        raise HistoryError(f"{path}: {error}") from error
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            raise DamagedError(f"{path}: made by another version of remsimd ({version})")
        verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedError(f"{path}: damaged: {verdict}")
        for pragma in PRAGMAS:
            database.execute(pragma)
        database.executescript(TABLES)
        database.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.OperationalError as error:
        database.close()
        raise HistoryError(f"{path}: {error}") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise DamagedError(f"{path}: {error}") from error
    except DamagedError:
        database.close()
        raise
    return database


def remove(path: Path) -> None:
    """Delete a database with its side files."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
