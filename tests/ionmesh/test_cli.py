"""The command line, as an operator uses it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyotp
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select, text

from ionmesh import schema
from ionmesh.cli import main
from ionmesh.clock import utcnow
from ionmesh.db import Database
from ionmesh.errors import Forbidden, Unauthorized
from ionmesh.models import MappingMode, Scope, Slot, Tenant, Webhook
from ionmesh.sealing import unseal
from ionmesh.services import audit, keys, registration, second_factor, users, vault, webhooks
from ionmesh.services.registration import Registration
from tests.ionmesh.remsim import FakeRemsimServer


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cli.db"
    monkeypatch.setenv("IONMESH_DATABASE", f"sqlite:///{path}")
    return path


def ionmesh(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def done(*arguments: str) -> str:
    result = ionmesh(*arguments)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_from_nothing_to_a_working_key(path: Path) -> None:
    assert (
        done("tenant", "create", "acme", "--legacy-cidr", "10.0.0.0/8", "--release-grace", "0") == "tenant 1"
    )
    remsim_key = done("key", "create", "--tenant", "acme")
    admin_key = done("key", "create", "--tenant", "acme", "--scope", "admin")
    assert done("bank", "add", "1", "--bankd", "bank.example.com") == "bank 1"
    added = ("slot", "add", "--bank", "1", "--slots", "1-2")
    sims = ("--iccid", "8901260000000000001", "--iccid", "8901260000000000002", "--imsi", "310410000000001")
    assert done(*added, *sims, "--imsi", "310410000000002") == "2 slots in bank 1"
    database = Database(f"sqlite:///{path}")
    with database.read() as session:
        assert keys.authenticate(session, remsim_key, utcnow()).scopes == {Scope.REMSIM}
        assert keys.authenticate(session, admin_key, utcnow()).scopes == {Scope.ADMIN}
        tenant = session.get_one(Tenant, 1)
        assert (tenant.legacy_cidrs, tenant.release_grace_s) == (["10.0.0.0/8"], None)
        slot = session.get_one(Slot, (1, 2))
        assert (slot.iccid, slot.imsi) == ("8901260000000000002", "310410000000002")
    database.close()


def test_a_revoked_key_is_refused(path: Path) -> None:
    done("tenant", "create", "acme")
    text = done("key", "create", "--tenant", "acme")
    for _ in range(2):
        assert done("key", "revoke", text[:17]) == f"revoked {text[:17]}"
    assert "no key 'imk_live_nowhere0'" in ionmesh("key", "revoke", "imk_live_nowhere0").output
    database = Database(f"sqlite:///{path}")
    with database.read() as session, pytest.raises(Unauthorized):
        keys.authenticate(session, text, utcnow())
    database.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tenant", "create", "acme"], "tenant 'acme' exists already"),
        (["tenant", "create", "No Slug"], "is not lower-case letters"),
        (["tenant", "create", "b", "--legacy-cidr", "10.0.0.1/8"], "not a network"),
        (["key", "create", "--tenant", "nobody"], "no tenant 'nobody'"),
        (["bank", "add", "0", "--bankd", "b"], "bank_id 0 is not 1..1023"),
        (["bank", "add", "1", "--bankd", "http://b"], "is not HOSTNAME[:PORT]"),
        (["slot", "add", "--bank", "9", "--slots", "1"], "no bank 9"),
        (["user", "create", "--tenant", "acme", "--password", "short", "a@b.c"], "12 to 256 characters"),
        (["user", "create", "--tenant", "acme", "--password", "p" * 12, "nobody"], "is not an address"),
        (["user", "reset-second-factor", "nobody@b.c"], "no user 'nobody@b.c'"),
        (["slot", "add", "--bank", "9", "--slots", "1024"], "is not within 1..1023"),
        (["db", "grant", "somebody"], "SQLite has no roles"),
        (["db", "upgrade", "--database", "mysql://x"], "--database: 'mysql://x' is not"),
        (["db", "upgrade", "--database", "sqlite:////nowhere/x.db"], "unable to open database file"),
    ],
)
def test_mistakes_end_with_1_and_a_reason(path: Path, arguments: list[str], message: str) -> None:
    done("tenant", "create", "acme")
    result = ionmesh(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_tenant_is_let_out_and_in_again(path: Path) -> None:
    done("tenant", "create", "acme")
    text = done("key", "create", "--tenant", "acme")
    assert done("tenant", "disable", "acme") == "tenant acme is disabled"
    database = Database(f"sqlite:///{path}")
    with database.read() as session, pytest.raises(Forbidden):
        keys.authenticate(session, text, utcnow())
    assert done("tenant", "enable", "acme") == "tenant acme is enabled"
    with database.read() as session:
        assert keys.authenticate(session, text, utcnow()).tenant_ids == (1,)
        entries, _ = audit.entries(session, 1, action="tenant_changed", offset=0, limit=9)
    database.close()
    assert [(entry.actor, entry.details) for entry in entries] == [
        ("cli", {"enabled": True}),
        ("cli", {"enabled": False}),
    ]


def test_a_lost_second_factor_is_turned_off(path: Path) -> None:
    done("tenant", "create", "acme")
    made = ("user", "create", "--tenant", "acme", "--password", "correct horse battery")
    assert done(*made, "Ann@example.com") == "user ann@example.com"
    assert "the second factor is off" in ionmesh("user", "reset-second-factor", "ann@example.com").output
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        ann = users.by_address(session, "ann@example.com")
        begun = second_factor.enrol(session, ann, pepper="", now=utcnow())
        code = pyotp.TOTP(begun.secret).now()
        second_factor.confirm(session, ann, code, pepper="", now=utcnow())
    assert (
        done("user", "reset-second-factor", "Ann@example.com") == "user ann@example.com has no second factor"
    )
    with database.read() as session:
        assert not second_factor.enabled(session, ann.user_id)
        entries, _ = audit.entries(session, 1, offset=0, limit=1)
    database.close()
    assert (entries[0].action, entries[0].actor) == ("second_factor_off", "cli")


def test_doctor_tells_what_is_missing_and_then_that_all_is_well(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = ionmesh("doctor")
    assert (result.exit_code, "FAIL schema is at nothing" in result.output) == (1, True)
    done("db", "upgrade")
    assert "FAIL 0 tenants: ionmesh tenant create" in ionmesh("doctor").output
    done("tenant", "create", "acme")
    done("key", "create", "--tenant", "acme")
    with FakeRemsimServer() as remsim:
        done("bank", "add", "1", "--bankd", "b", "--remsim-server", remsim.url)
        done("slot", "add", "--bank", "1", "--slots", "1-5")
        assert "no bankd connected for bank 1" in ionmesh("doctor").output
        remsim.banks = [1]
        assert "5 slots, 5 available" in done("doctor")
        database = Database(f"sqlite:///{path}")
        with database.write() as session:
            wanted = Registration("r1", MappingMode.ONE_TO_ONE_SWSIM)
            registration.register(session, 1, wanted, utcnow(), utcnow() - utcnow())
        database.close()
        assert "1 maps wanted, 1 missing, 0 stale" in ionmesh("doctor").output
        monkeypatch.setenv("IONMESH_LOOPBACK_BANKS", "0")
        assert "leads to 127.0.0.1, which this server does not call" in ionmesh("doctor").output
    assert ionmesh("doctor").exit_code == 1, "the server is gone"


def test_secrets_that_lie_readable_are_found_and_sealed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done("tenant", "create", "acme")
    done("user", "create", "--tenant", "acme", "--password", "correct horse battery", "ann@example.com")
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        _, secret = webhooks.create(session, 1, "https://example.com/", [], "test", utcnow())
        vault.obtain(session, "vapid", lambda: "key", "", utcnow())
        ann = users.by_address(session, "ann@example.com")
        second_factor.enrol(session, ann, pepper="", now=utcnow())
    assert "ok   3 stored secrets are readable: IONMESH_KEY_PEPPER is not set" in ionmesh("doctor").output
    assert "set IONMESH_KEY_PEPPER" in ionmesh("db", "seal").output

    monkeypatch.setenv("IONMESH_KEY_PEPPER", "p" * 32)
    assert "FAIL 3 stored secrets are readable: ionmesh db seal" in ionmesh("doctor").output
    assert done("db", "seal") == "3 secrets sealed"
    assert done("db", "seal") == "0 secrets sealed"
    assert "ok   3 stored secrets are sealed" in ionmesh("doctor").output
    with database.read() as session:
        assert unseal(session.scalars(select(Webhook.sealed)).one(), "p" * 32) == secret
        assert vault.recall(session, "vapid", "p" * 32) == "key"
    database.close()

    monkeypatch.setenv("IONMESH_KEY_PEPPER", "q" * 32)
    found = ionmesh("doctor")
    assert (found.exit_code, "FAIL 3 stored secrets were sealed with another" in found.output) == (1, True)


@pytest.mark.parametrize(
    "command", [["db", "upgrade"], ["run", "--port", "0"], ["web", "--port", "0"], ["worker"], ["doctor"]]
)
def test_an_older_program_leaves_a_newer_database_alone_and_says_why(path: Path, command: list[str]) -> None:
    done("tenant", "create", "acme")
    database = Database(f"sqlite:///{path}")
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    result = ionmesh(*command)
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert isinstance(result.exception, SystemExit)
    for said in (
        "revision 9999",
        f"none after {schema.head()}",
        "Install that version, or restore the backup",
    ):
        assert said in result.output
    assert schema.current(database) == "9999"
    database.close()


def test_doctor_tells_of_a_database_that_is_not_there() -> None:
    result = ionmesh("doctor", "--database", "postgresql://nobody@127.0.0.1:1/x")
    assert (result.exit_code, result.output[:15]) == (1, "FAIL database: ")


@pytest.mark.parametrize(
    ("statements", "unwanted"),
    [
        (
            "from ionmesh.cli import main; main(['--help'], standalone_mode=False)",
            {"flask", "sqlalchemy", "alembic", "pydantic", "waitress"},
        ),
        (
            "from ionmesh.services import heartbeat, inventory, keys, registration, slotmaps, tenants",
            {"flask", "waitress", "alembic", "pydantic"},
        ),
    ],
)
def test_what_is_not_loaded(statements: str, unwanted: set[str]) -> None:
    code = f"import sys; {statements}; sys.exit(', '.join({unwanted!r} & set(sys.modules)) or None)"
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_users_and_imports(path: Path, tmp_path: Path) -> None:
    done("tenant", "create", "acme")
    made = ("user", "create", "--tenant", "acme", "--password", "a long password", "Ann@example.com")
    assert done(*made) == "user ann@example.com"
    assert "exists already" in ionmesh(*made).output
    done("bank", "add", "1", "--bankd", "bank.example.com")
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("bank_id,slot_id,imsi,carrier\n1,1,310410000000001,Example\n1,2,,\n")
    bad.write_text("bank_id,slot_id,kind\n1,3,physical\n1,4,paper\n")
    assert done("import", str(good)) == "2 slots"
    for content, reason in (
        (bad.read_bytes(), "line 3: "),
        (b"bank_id,slot\n1,3\n", "the first line must name columns of "),
        (b"bank_id,slot_id\n\xff", "can't decode"),
    ):
        bad.write_bytes(content)
        refused = ionmesh("import", str(bad))
        assert refused.exit_code == 1
        assert reason in refused.output
    database = Database(f"sqlite:///{path}")
    with database.read() as session:
        assert [slot.slot_id for slot in session.scalars(select(Slot))] == [1, 2], "all or none"
    database.close()


def test_the_openapi_document_is_printed() -> None:
    assert json.loads(done("openapi"))["openapi"] == "3.1.0"
