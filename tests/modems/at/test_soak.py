"""The soak, short; `scripts/bench at` runs the whole of it."""

from tests.modems.at.soak import soak

COMMANDS = 10_000


def test_no_answer_is_taken_for_another_commands() -> None:
    tally = soak(COMMANDS, seed=3)
    assert tally.commands == COMMANDS
    assert tally.misattributed == 0
    assert tally.answered > 0.75 * COMMANDS
    assert tally.answered + tally.refused + tally.timed_out + tally.given_up == COMMANDS
    # The faults happened: without them the figures above would say little.
    assert min(tally.refused, tally.timed_out, tally.given_up) > 20
    assert tally.urcs_heard == tally.urcs_sent
