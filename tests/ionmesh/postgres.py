"""A PostgreSQL cluster of the tests' own, from Debian's packages, reached over a socket in its folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sqlalchemy import text

from ionmesh import schema
from ionmesh.db import Database
from ionmesh.models import Base

ABSENT = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
_ACCOUNT = "postgres"
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl; None: not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).parent if on_path else None


class Cluster:
    """Made in a folder of its own; `durable` keeps the settings that survive a power cut."""

    def __init__(self, binaries: Path, *, durable: bool = False) -> None:
        self._binaries = binaries
        self._options = "" if durable else _FAST
        # pytest's own folders are closed to the account PostgreSQL runs under.
        self.folder = Path(tempfile.mkdtemp(prefix="ionmesh-pg-"))

    def __enter__(self) -> Cluster:
        if os.geteuid() == 0:
            shutil.chown(self.folder, _ACCOUNT, _ACCOUNT)
        self._run("initdb", "--no-sync", "--auth=trust", "--username=ionmesh", "--encoding=UTF8")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        options = f"-c listen_addresses='' -c max_connections=200 -k {self.folder} {self._options}"
        self._run("pg_ctl", "start", "-w", "-t", "30", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str) -> None:
        """Stop the server; `immediate` is a crash: nothing is written out."""
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def url(self, database: str) -> str:
        return f"postgresql://ionmesh@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Create an empty database and return its URL."""
        maintenance = Database(self.url("postgres"))
        with maintenance.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'CREATE DATABASE "{database}"'))
        maintenance.close()
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self.folder / "data"), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", _ACCOUNT, "--", *command]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            # pg_ctl's child keeps what it inherits open, so a pipe here would never end.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            timeout=40,
        )
        log = self.folder / "log"
        assert done.returncode == 0, f"{program} failed\n{log.read_text() if log.exists() else ''}"


def migrated(url: str) -> None:
    """Bring the schema of a database up to date."""
    database = Database(url)
    schema.upgrade(database)
    database.close()


def emptied(url: str) -> Database:
    """Return the database without rows, its numbers starting at one again."""
    database = Database(url)
    tables = ", ".join(Base.metadata.tables)
    with database.engine.begin() as connection:
        # Not even here does the audit log shrink otherwise.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return database
