"""What failures mean, and the waits that follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.config.model import IonmeshConfig
from remsimd.errors import OrchestratorError
from remsimd.http import HttpAnswer
from remsimd.orchestrator.events import IonmeshState
from remsimd.orchestrator.policy import Pace, Verdict, interval_s, judge, wait_s
from remsimd.orchestrator.wire import RefusedError


def refused(http: int, /, **body: object) -> RefusedError:
    return RefusedError("register", HttpAnswer(http, body))


@pytest.mark.parametrize(
    ("error", "state", "pace"),
    [
        (OrchestratorError("x", code="connect"), IonmeshState.UNREACHABLE, Pace.SOON),
        (OrchestratorError("x", code="timeout"), IonmeshState.UNREACHABLE, Pace.SOON),
        (OrchestratorError("x", code="tls"), IonmeshState.UNREACHABLE, Pace.SOON),
        (OrchestratorError("x", code="protocol"), IonmeshState.UNREACHABLE, Pace.SLOWLY),
        (OrchestratorError("x", code="key"), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(400), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(401), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(403), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(404), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(404, status="error", message="Not Found"), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(404, status="error", code="no_pool"), IonmeshState.NO_SLOT, Pace.ASKED),
        (refused(409), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(301), IonmeshState.REFUSED, Pace.SLOWLY),
        (refused(429), IonmeshState.UNREACHABLE, Pace.ASKED),
        (refused(500), IonmeshState.UNREACHABLE, Pace.SOON),
        (refused(502), IonmeshState.UNREACHABLE, Pace.SOON),
        (refused(503), IonmeshState.UNREACHABLE, Pace.SOON),
        (refused(503, status="error", code="database_unavailable"), IonmeshState.UNREACHABLE, Pace.SOON),
        (refused(503, status="error", code="no_slot"), IonmeshState.NO_SLOT, Pace.ASKED),
        (refused(503, status="error", message="No available slots"), IonmeshState.NO_SLOT, Pace.ASKED),
        (refused(503, available_modes=["A"]), IonmeshState.NO_SLOT, Pace.ASKED),
    ],
    ids=lambda value: f"{value.status}-{value.code}" if isinstance(value, OrchestratorError) else str(value),
)
def test_what_a_failed_registration_means(error: OrchestratorError, state: IonmeshState, pace: Pace) -> None:
    verdict = judge(error, registering=True)
    assert (verdict.state, verdict.pace) == (state, pace)
    assert verdict.detail


def test_a_busy_server_does_not_mean_no_slot_to_a_heartbeat() -> None:
    assert judge(refused(503, status="error"), registering=False).state is IonmeshState.UNREACHABLE


def test_waits_grow_to_their_limits() -> None:
    soon = Verdict(IonmeshState.UNREACHABLE, "", Pace.SOON)
    slowly = Verdict(IonmeshState.REFUSED, "", Pace.SLOWLY)
    assert [wait_s(soon, failures, 0.5) for failures in range(1, 9)] == [2, 4, 8, 16, 32, 64, 128, 150]
    assert [wait_s(slowly, failures, 0.5) for failures in range(1, 9)] == [10, 20, 40, 80, 150, 150, 150, 150]


@given(st.floats(0, 1), st.integers(1, 10_000), st.none() | st.floats(0, 1e6))
def test_no_wait_is_shorter_than_asked_or_endless(
    chance: float, failures: int, asked_s: float | None
) -> None:
    for pace in Pace:
        waited_s = wait_s(Verdict(IonmeshState.NO_SLOT, "", pace, asked_s), failures, chance)
        assert waited_s >= min(asked_s or 1.0, 3600.0)
        assert waited_s <= 3600 * 1.2


@pytest.mark.parametrize(
    ("metered", "server_s", "operator_s", "seconds"),
    [
        (False, None, None, 60),
        (True, None, None, 600),
        (True, 90, None, 600),
        (True, 900, None, 900),
        (True, 900, 20, 20),
        (False, 1, None, 10),
        (False, 86400, None, 3600),
        (False, 90, 20, 20),
    ],
)
def test_interval(metered: bool, server_s: int | None, operator_s: int | None, seconds: float) -> None:
    found = interval_s(IonmeshConfig(), metered=metered, server_s=server_s, operator_s=operator_s, chance=0.5)
    assert found == seconds


@given(st.floats(0, 1))
def test_intervals_spread(chance: float) -> None:
    found = interval_s(IonmeshConfig(), metered=False, server_s=100, operator_s=None, chance=chance)
    assert 95 <= found <= 105
