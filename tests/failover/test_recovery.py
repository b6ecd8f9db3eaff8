"""The ladder: what is tried when, on whom, and how often."""

from dataclasses import dataclass, field

from remsimd.events import LinkHealth, RecoveryAction
from remsimd.failover.recovery import (
    SETTLE_S,
    Begin,
    Busy,
    EffectDone,
    End,
    HealthSeen,
    Patient,
    RecoveryEvent,
    RecoveryState,
    Tick,
    Waits,
    abandoned,
    due_s,
    initial,
    step,
)

REDIAL, RADIO, RESET = RecoveryAction.REDIAL, RecoveryAction.RADIO_CYCLE, RecoveryAction.RESET
UP, DOWN, UNKNOWN = LinkHealth.UP, LinkHealth.DOWN, LinkHealth.UNKNOWN
MOST = 6


@dataclass
class Ward:
    """The ladder with its clock; effects are done at once unless told otherwise."""

    state: RecoveryState
    now: float = 0.0
    said: list[tuple[float, Begin | End]] = field(default_factory=list)
    failing: set[RecoveryAction] = field(default_factory=set)

    def tell(self, event: RecoveryEvent) -> None:
        self.state, out = step(self.state, event, self.now, MOST)
        self.said += [(self.now, done) for done in out]
        for done in out:
            if isinstance(done, Begin):
                self.tell(EffectDone("the modem is gone" if done.action in self.failing else None))

    def link(self, name: str, health: LinkHealth, cause: str = "no answer") -> None:
        self.tell(HealthSeen(name, health, cause))

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := due_s(self.state, self.now, MOST)) is not None and due <= end:
            assert due >= self.now
            self.now = due
            self.tell(Tick())
        self.now = end

    @property
    def begun(self) -> list[tuple[float, str, RecoveryAction]]:
        return [(at, done.name, done.action) for at, done in self.said if isinstance(done, Begin)]


def ward(*ladder: RecoveryAction) -> Ward:
    rungs = ladder or (REDIAL, RADIO, RESET)
    return Ward(initial([Patient("primary", 2, rungs), Patient("secondary", 1, rungs)]))


def test_a_link_that_stays_down_is_treated_after_a_minute_rung_by_rung() -> None:
    here = ward()
    here.link("secondary", DOWN)
    here.wait(59.9)
    assert here.begun == []
    here.wait(300)
    assert here.begun == [
        (60.0, "secondary", REDIAL),
        (60.0 + SETTLE_S[REDIAL], "secondary", RADIO),
        (60.0 + SETTLE_S[REDIAL] + SETTLE_S[RADIO], "secondary", RESET),
    ]
    assert here.said[1][1] == End("secondary", REDIAL, False, "the link is still down: no answer", 20.0)


def test_an_outage_that_ends_by_itself_is_left_alone() -> None:
    here = ward()
    here.link("primary", DOWN)
    here.wait(50)
    here.link("primary", UP)
    here.wait(5)
    here.link("primary", DOWN)
    here.wait(59)
    assert here.begun == []


def test_the_link_up_ends_it_and_the_next_failure_goes_on_from_there() -> None:
    here = ward()
    here.link("primary", DOWN)
    here.wait(65)
    here.link("primary", UP)
    assert here.said[-1][1] == End("primary", REDIAL, True, "the link is up", 5.0)
    here.wait(600)
    here.link("primary", DOWN)
    here.wait(61)
    assert here.begun[-1][2] is RADIO
    here.link("primary", UP)
    here.wait(3700)
    here.link("primary", DOWN)
    here.wait(61)
    assert here.begun[-1][2] is REDIAL


def test_where_both_are_down_the_secondary_comes_first_and_they_take_turns() -> None:
    here = ward()
    here.link("primary", DOWN)
    here.link("secondary", DOWN)
    here.wait(600)
    assert [(name, action) for _, name, action in here.begun] == [
        ("secondary", REDIAL),
        ("primary", REDIAL),
        ("secondary", RADIO),
        ("primary", RADIO),
        ("secondary", RESET),
        ("primary", RESET),
    ]


def test_an_action_that_cannot_be_carried_out_leads_to_the_next_at_once() -> None:
    here = ward()
    here.failing = {REDIAL, RADIO}
    here.link("primary", DOWN)
    here.wait(60)
    assert [action for _, _, action in here.begun] == [REDIAL, RADIO, RESET]
    assert here.said[1][1] == End("primary", REDIAL, False, "the modem is gone", 0.0)


def test_the_ladder_ends_and_starts_again_after_a_quiet_hour() -> None:
    here = ward(REDIAL)
    here.link("primary", DOWN)
    here.wait(60 + 3599)
    assert len(here.begun) == 1
    here.wait(2)
    assert [action for _, _, action in here.begun] == [REDIAL, REDIAL]


def test_the_hour_has_a_budget() -> None:
    here = ward(*[REDIAL] * 10)
    here.link("primary", DOWN)
    here.wait(3600)
    assert len(here.begun) == MOST
    here.wait(120)
    assert len(here.begun) > MOST
    for at, _, _ in here.begun:
        assert sum(at <= other < at + 3600 for other, _, _ in here.begun) <= MOST


def test_nobody_is_treated_during_somebody_elses_sim_switch() -> None:
    here = ward()
    here.link("secondary", DOWN)
    here.wait(30)
    here.tell(Busy("primary", True))
    here.wait(100)
    assert here.begun == []
    here.tell(Busy("primary", False))
    assert [name for _, name, _ in here.begun] == ["secondary"]


def test_a_sim_switch_that_never_ends_is_not_waited_for_for_ever() -> None:
    here = ward()
    here.link("secondary", DOWN)
    here.wait(30)
    here.tell(Busy("primary", True))
    here.wait(121)
    assert [at for at, _, _ in here.begun] == [
        150.0,
    ]


def test_a_sim_switch_that_waits_comes_between_two_rungs() -> None:
    here = ward()
    here.link("secondary", DOWN)
    here.wait(65)
    here.tell(Waits("primary", True))
    here.wait(600)
    assert [(at, action) for at, _, action in here.begun] == [(60.0, REDIAL)], "the ladder stops for it"
    assert here.state.treatment is None
    here.tell(Busy("primary", True))
    here.tell(Waits("primary", False))
    here.wait(10)
    assert len(here.begun) == 1
    here.tell(Busy("primary", False))
    assert [action for _, _, action in here.begun] == [REDIAL, RADIO]


def test_a_wait_given_up_lets_the_ladder_go_on() -> None:
    here = ward()
    here.link("secondary", DOWN)
    here.wait(65)
    here.tell(Waits("primary", True))
    here.wait(30)
    here.tell(Waits("primary", False))
    assert [action for _, _, action in here.begun] == [REDIAL, RADIO]


def test_an_abandoned_treatment_is_none_and_its_rung_stays_taken() -> None:
    here = ward()
    here.link("primary", DOWN)
    here.wait(65)
    here.state = abandoned(here.state)
    here.wait(600)
    assert len(here.begun) == 1
    here.link("primary", DOWN)
    here.wait(60)
    assert [action for _, _, action in here.begun] == [REDIAL, RADIO]


def test_the_switch_to_the_local_card_is_waited_for() -> None:
    here = ward(RecoveryAction.LOCAL_CARD, RESET)
    here.link("primary", DOWN)
    here.wait(170)
    here.tell(Busy("primary", True))
    here.link("primary", UNKNOWN, "switching to the local SIM")
    here.wait(60)
    assert len(here.begun) == 1
    here.tell(Busy("primary", False))
    here.link("primary", UP)
    assert isinstance(here.said[-1][1], End)
    assert here.said[-1][1].ok


def test_a_modem_without_any_remedy_is_left_alone() -> None:
    here = Ward(initial([Patient("primary", 1, ())]))
    here.link("primary", DOWN)
    here.wait(10_000)
    assert here.said == []
