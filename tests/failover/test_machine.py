"""The decision: fixed cases, then generated histories of hours in milliseconds."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth
from remsimd.failover.explanation import explain
from remsimd.failover.machine import (
    FailoverEvent,
    FailoverState,
    HealthSeen,
    Move,
    Pin,
    Tick,
    Unpin,
    due_s,
    initial,
    step,
)

CONFIG = FailoverConfig(hold_down_s=60.0, hold_down_max_s=900.0)
UNKNOWN, UP, SUSPECT, DOWN = LinkHealth.UNKNOWN, LinkHealth.UP, LinkHealth.SUSPECT, LinkHealth.DOWN


@dataclass
class Run:
    """A machine with its clock; ticks come when the machine asks for them."""

    state: FailoverState
    config: FailoverConfig = CONFIG
    now: float = 0.0
    moves: list[tuple[float, Move]] = field(default_factory=list)

    def tell(self, event: FailoverEvent) -> None:
        self.state, moves = step(self.state, event, self.now, self.config)
        self.moves += [(self.now, move) for move in moves]

    def link(self, name: str, health: LinkHealth, *, hard: bool = True, verified: bool = True) -> None:
        hard = hard and health is DOWN
        self.tell(HealthSeen(name, health, "test", hard=hard, verified=verified and health is not DOWN))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := due_s(self.state, self.now, self.config)) is not None and due <= end:
            assert due > self.now, "a wake-up that changes nothing would come again and again"
            self.now = due
            self.tell(Tick())
        self.now = end

    @property
    def ways(self) -> list[str]:
        return [move.active for _, move in self.moves]


def two_up() -> Run:
    run = Run(initial([("secondary", 1), ("primary", 2)]))
    run.link("primary", UP)
    run.link("secondary", UP)
    return run


def test_the_best_link_is_used_from_the_start_without_hold_down() -> None:
    run = Run(initial([("primary", 2), ("secondary", 1)]))
    run.link("secondary", UP)
    run.now = 3.0
    run.link("primary", UP)
    assert run.ways == ["secondary", "primary"]


def test_failing_over_is_immediate_and_failing_back_waits() -> None:
    run = two_up()
    run.now = 100.0
    run.link("primary", DOWN)
    assert run.moves[-1] == (100.0, Move("primary", "secondary", "primary is down: test"))
    run.wait(20)
    run.link("primary", UP)
    run.wait(59.9)
    assert run.state.active == "secondary"
    run.wait(0.2)
    assert run.state.active == "primary"
    assert run.moves[-1][0] == 180.0


def test_suspicion_neither_moves_nor_breaks_the_hold_down() -> None:
    run = two_up()
    run.link("primary", SUSPECT)
    run.wait(1)
    assert run.ways == ["primary"]
    run.link("primary", DOWN)
    run.link("primary", UP)
    run.wait(30)
    run.link("primary", SUSPECT)
    run.link("primary", UP)
    run.wait(30)
    assert run.ways == ["primary", "secondary", "primary"]


def test_hold_down_doubles_with_each_flap_is_capped_and_decays() -> None:
    run = two_up()
    asked = []
    for _ in range(7):
        run.link("primary", DOWN)
        run.link("primary", UP)
        start = run.now
        run.wait(2000)
        asked.append(run.moves[-1][0] - start)
        run.now = start + asked[-1] + 1
    assert asked == [60, 120, 240, 480, 900, 900, 900]
    run.wait(3 * 3600)
    run.link("primary", DOWN)
    run.link("primary", UP)
    start = run.now
    run.wait(2000)
    # Level 6 less three quiet hours.
    assert run.moves[-1][0] - start == 480


def test_a_link_in_hold_down_is_still_used_when_the_active_one_fails() -> None:
    run = two_up()
    run.link("primary", DOWN)
    run.link("primary", UP)
    run.wait(1)
    run.link("secondary", DOWN)
    assert run.ways == ["primary", "secondary", "primary"]


def test_of_several_the_steady_one_is_taken_before_the_one_in_hold_down() -> None:
    run = Run(initial([("a", 3), ("b", 2), ("c", 1)]))
    for name in "abc":
        run.link(name, UP)
    run.link("a", DOWN)
    run.link("a", UP)
    run.link("b", DOWN)
    assert run.ways == ["a", "b", "c"]


def test_an_unproven_link_is_used_only_when_the_active_one_is_hard_down() -> None:
    for hard, ways in ((False, ["primary"]), (True, ["primary", "secondary"])):
        run = Run(initial([("primary", 2), ("secondary", 1)]))
        run.link("primary", UP)
        run.link("secondary", SUSPECT, verified=False)
        run.link("primary", DOWN, hard=hard)
        assert run.ways == ways


def test_a_suspect_link_verified_lately_is_better_than_a_black_hole() -> None:
    run = two_up()
    run.link("secondary", SUSPECT, verified=True)
    run.link("primary", DOWN, hard=False)
    assert run.ways == ["primary", "secondary"]


def test_our_own_reset_moves_data_away_but_never_to_the_link_under_it() -> None:
    run = two_up()
    run.tell(HealthSeen("primary", UNKNOWN, "switching SIM", held=True))
    assert run.ways == ["primary", "secondary"]
    run.link("secondary", DOWN)
    assert run.ways == ["primary", "secondary"]


def test_a_link_lost_without_carrying_the_data_also_waits_before_it_does() -> None:
    run = two_up()
    run.tell(Pin("secondary"))
    run.link("primary", DOWN)
    run.link("primary", UP)
    run.tell(Unpin())
    assert run.state.active == "secondary"
    run.wait(60)
    assert run.state.active == "primary"
    run.tell(HealthSeen("primary", UNKNOWN, "switching SIM", held=True))
    run.link("primary", UP)
    run.wait(59)
    assert run.state.active == "secondary"
    run.wait(1)
    assert run.state.active == "primary"


def test_with_everything_down_the_last_one_is_kept() -> None:
    run = two_up()
    run.link("primary", DOWN)
    run.link("secondary", DOWN)
    run.wait(1000)
    assert run.ways == ["primary", "secondary"]
    run.link("primary", UP)
    assert run.state.active == "primary"


def test_the_operator_goes_before_priority_and_hold_down() -> None:
    run = two_up()
    run.tell(Pin("secondary"))
    assert run.state.active == "secondary"
    run.wait(1000)
    assert run.state.active == "secondary"
    run.link("secondary", DOWN)
    assert run.state.active == "primary"
    run.link("secondary", UP)
    run.wait(61)
    assert run.state.active == "secondary"
    run.tell(Unpin())
    assert run.state.active == "primary"
    run.link("primary", DOWN)
    run.link("primary", UP)
    run.tell(Pin("primary"))
    assert run.state.active == "primary"


def test_our_own_sim_switch_starts_no_hold_down() -> None:
    run = two_up()
    run.now = 100.0
    run.tell(HealthSeen("primary", UNKNOWN, "switching to the remote SIM", held=True))
    assert run.state.active == "secondary"
    run.wait(10)
    # The modem searches for a while on its new card: still our own doing.
    run.link("primary", DOWN)
    run.wait(10)
    run.link("primary", UP)
    assert run.moves[-1][0] == 120.0
    assert run.state.active == "primary"


def test_our_own_reset_of_the_only_link_is_no_flap() -> None:
    run = Run(initial([("primary", 1)]))
    run.link("primary", UP)
    run.tell(HealthSeen("primary", UNKNOWN, "restarting", held=True))
    run.link("primary", DOWN)
    run.link("primary", UP)
    assert run.state.member("primary").damping.level is None


def test_a_hold_down_earned_before_outlives_our_own_sim_switch() -> None:
    run = two_up()
    run.link("primary", DOWN)
    run.tell(HealthSeen("primary", UNKNOWN, "switching to the local SIM", held=True))
    run.link("primary", UP)
    run.wait(59)
    assert run.state.active == "secondary"
    run.wait(2)
    assert run.state.active == "primary"


def test_flapping_for_an_hour_moves_at_most_six_times() -> None:
    run = two_up()
    for _ in range(90):
        run.link("primary", DOWN)
        run.wait(20)
        run.link("primary", UP)
        run.wait(20)
    assert len(run.moves) - 1 <= 6


def test_the_explanation_names_the_wait() -> None:
    run = two_up()
    run.link("primary", DOWN)
    run.link("primary", UP)
    run.wait(20)
    told = explain(run.state, run.now, run.config)
    assert told.active == "secondary"
    assert told.why == "primary is down: test"
    assert told.next_change_in_s == 40.0
    assert [link.name for link in told.links] == ["primary", "secondary"]
    assert told.links[0].standing == (
        "takes over in 40 s if it stays up (60 s are asked for), at once if the active link is down"
    )


names = st.sampled_from("abcdefgh")
healths = st.sampled_from([UNKNOWN, UP, UP, SUSPECT, DOWN, DOWN])


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[FailoverEvent, float]]]:
    count = draw(st.integers(1, 8))
    mine = st.sampled_from("abcdefgh"[:count])
    seen = st.builds(
        HealthSeen,
        mine,
        healths,
        st.just("x"),
        hard=st.booleans(),
        held=st.booleans(),
        verified=st.booleans(),
    )
    event = st.one_of(seen, seen, seen, seen, st.builds(Pin, mine), st.just(Unpin()))
    return count, draw(st.lists(st.tuples(event, st.floats(0.0, 400.0)), max_size=60))


def play(count: int, history: list[tuple[FailoverEvent, float]]) -> Run:
    run = Run(initial([(name, -place) for place, name in enumerate("abcdefgh"[:count])]))
    for event, pause in history:
        before, said = run.state, len(run.moves)
        run.tell(event)
        assert len(run.moves) - said <= 1
        for _, move in run.moves[said:]:
            check_move(before, run, move)
        check_rest(run)
        run.wait(pause)
    return run


def check_move(before: FailoverState, run: Run, move: Move) -> None:
    there = run.state.member(move.active)
    assert there.health is not DOWN
    assert move.previous == before.active != move.active == run.state.active
    if move.previous is not None and there.health is not UP:
        gone = run.state.member(move.previous)
        assert gone.health in {DOWN, UNKNOWN}
        assert there.verified or (gone.health is DOWN and gone.hard)


def check_rest(run: Run) -> None:
    """Whatever happened, the data does not stay on a dead link while a working one is there."""
    if run.state.active is None:
        assert all(member.health in {UNKNOWN, DOWN} for member in run.state.members)
    elif run.state.member(run.state.active).health in {DOWN, UNKNOWN}:
        assert all(member.health is not UP for member in run.state.members)


@given(histories())
@settings(max_examples=150, deadline=None)
def test_no_history_leads_to_a_dead_link_and_all_return(
    drawn: tuple[int, list[tuple[FailoverEvent, float]]],
) -> None:
    count, history = drawn
    run = play(count, history)
    assert play(count, history).moves == run.moves
    run.tell(Unpin())
    for member in run.state.members:
        run.link(member.name, UP)
    run.wait(CONFIG.hold_down_max_s)
    assert run.state.active == "a"


@given(st.lists(st.tuples(st.floats(1.0, 200.0), st.floats(1.0, 200.0)), min_size=1, max_size=200))
@settings(deadline=None)
def test_each_return_was_earned_by_time_up(flaps: list[tuple[float, float]]) -> None:
    run = two_up()
    for down, up in flaps:
        run.link("primary", DOWN)
        run.wait(down)
        run.link("primary", UP)
        run.wait(up)
    returns = [at for at, move in run.moves[1:] if move.active == "primary" and at <= 3600]
    # 60 + 120 + 240 + 480 + 900 + 900 + 900 s of being up fill the hour.
    assert len(returns) <= 7
