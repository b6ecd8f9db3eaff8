"""The second factor: enrolment, codes that are good once, recovery codes, and what is kept of all that."""

from __future__ import annotations

import hashlib

import pyotp
import pytest
from sqlalchemy import func, select

from ionmesh.db import Database
from ionmesh.errors import Conflict, InvalidRequest, NotFound, Unauthorized
from ionmesh.models import RecoveryCode, Role, TotpSecret, User
from ionmesh.sealing import seal, unseal
from ionmesh.services import audit, second_factor, users
from tests.ionmesh.conftest import START, ManualClock

PEPPER = "p" * 32


@pytest.fixture
def user(stocked: Database) -> User:
    with stocked.write() as session:
        return users.create(
            session,
            1,
            email="owner@acme.example",
            name="",
            role=Role.OWNER,
            password="a long password",
            actor="test",
            now=START,
        )


def enrolled(database: Database, user: User, clock: ManualClock) -> tuple[pyotp.TOTP, list[str]]:
    with database.write() as session:
        totp = pyotp.TOTP(second_factor.enrol(session, user, pepper=PEPPER, now=clock()).secret)
    with database.write() as session:
        codes = second_factor.confirm(session, user, totp.at(clock()), pepper=PEPPER, now=clock())
    clock.advance(30)
    return totp, codes


def verify(database: Database, user: User, code: str, clock: ManualClock) -> bool:
    try:
        with database.write() as session:
            second_factor.verify(session, user.user_id, code, pepper=PEPPER, now=clock())
    except Unauthorized:
        return False
    return True


def on(database: Database, user: User) -> bool:
    with database.read() as session:
        return second_factor.enabled(session, user.user_id)


def test_the_longest_address_fits_the_audit_log(stocked: Database, clock: ManualClock) -> None:
    with stocked.write() as session:
        user = users.create(
            session,
            1,
            email="o" * 64 + "@" + "a" * 185 + ".com",
            name="",
            role=Role.OWNER,
            password="a long password",
            actor="test",
            now=START,
        )
    enrolled(stocked, user, clock)
    with stocked.read() as session:
        (entry,) = audit.entries(session, 1, action="second_factor_on", offset=0, limit=1)[0]
    assert (entry.actor, entry.subject) == ("user 1", "user 1")


def test_it_is_on_once_the_first_code_was_right(stocked: Database, user: User, clock: ManualClock) -> None:
    with stocked.write() as session, pytest.raises(NotFound):
        second_factor.confirm(session, user, "000000", pepper=PEPPER, now=clock())
    for _ in range(2):
        with stocked.write() as session:
            begun = second_factor.enrol(session, user, pepper=PEPPER, now=clock())
    assert begun.uri.startswith("otpauth://totp/IonMesh:owner%40acme.example?secret=")
    assert begun.secret not in repr(begun)
    code = pyotp.TOTP(begun.secret).at(clock())
    assert not on(stocked, user)
    assert not verify(stocked, user, code, clock), "it is not on yet"
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    with pytest.raises(InvalidRequest), stocked.write() as session:
        second_factor.confirm(session, user, wrong, pepper=PEPPER, now=clock())
    with stocked.write() as session:
        second_factor.confirm(session, user, code, pepper=PEPPER, now=clock())
    assert on(stocked, user)
    for again in (second_factor.enrol, lambda *a, **k: second_factor.confirm(*a, code, **k)):
        with pytest.raises(Conflict), stocked.write() as session:
            again(session, user, pepper=PEPPER, now=clock())


def test_a_code_is_good_once_and_a_step_early_or_late(
    stocked: Database, user: User, clock: ManualClock
) -> None:
    totp, _ = enrolled(stocked, user, clock)
    assert not verify(stocked, user, totp.at(clock(), counter_offset=-1), clock), "it confirmed the enrolment"
    assert verify(stocked, user, totp.at(clock()), clock)
    assert not verify(stocked, user, totp.at(clock()), clock)
    early = totp.at(clock(), counter_offset=1)
    assert verify(stocked, user, f"{early[:3]} {early[3:]}", clock), "as authenticators show it"
    clock.advance(300)
    assert not verify(stocked, user, totp.at(clock(), counter_offset=-2), clock)
    assert not verify(stocked, user, totp.at(clock(), counter_offset=2), clock)
    assert verify(stocked, user, totp.at(clock(), counter_offset=-1), clock)
    for nonsense in ("", "12345", "1234567", "kurz", "\N{SNOWMAN}", "\ud800"):
        assert not verify(stocked, user, nonsense, clock)


def test_a_recovery_code_is_good_once_however_it_is_typed(
    stocked: Database, user: User, clock: ManualClock
) -> None:
    _, codes = enrolled(stocked, user, clock)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert verify(stocked, user, codes[0].upper().replace("-", " "), clock)
    assert not verify(stocked, user, codes[0], clock)
    with stocked.write() as session:
        assert second_factor.codes_left(session, user.user_id) == 9
        renewed = second_factor.renew_codes(session, user, clock())
    assert not verify(stocked, user, codes[1], clock)
    assert verify(stocked, user, renewed[1], clock)


def test_what_is_kept_gives_nothing_away(stocked: Database, user: User, clock: ManualClock) -> None:
    totp, codes = enrolled(stocked, user, clock)
    with stocked.read() as session:
        kept = session.scalars(select(TotpSecret)).one().sealed
        hashes = set(session.scalars(select(RecoveryCode.code_hash)))
    assert totp.secret not in kept
    assert unseal(kept, PEPPER) == totp.secret
    assert hashlib.sha256(codes[0].replace("-", "").encode()).hexdigest() in hashes


def test_it_can_be_turned_off_and_goes_with_the_user(
    stocked: Database, user: User, clock: ManualClock
) -> None:
    enrolled(stocked, user, clock)
    with stocked.write() as session:
        second_factor.disable(session, user, "admin", clock())
    assert not on(stocked, user)
    with pytest.raises(NotFound), stocked.write() as session:
        second_factor.renew_codes(session, user, clock())
    enrolled(stocked, user, clock)
    with stocked.write() as session:
        users.delete(session, 1, user.user_id, "test", clock())
    with stocked.read() as session:
        for table in (TotpSecret, RecoveryCode):
            assert session.scalar(select(func.count()).select_from(table)) == 0


def test_sealing() -> None:
    assert unseal(seal("secret", ""), PEPPER) == "secret", "kept before there was a pepper"
    sealed = seal("secret", PEPPER)
    assert "secret" not in sealed
    assert sealed != seal("secret", PEPPER)
    for other in ("", "q" * 32):
        with pytest.raises(Conflict) as refused:
            unseal(sealed, other)
        assert refused.value.code == "sealed_otherwise"
