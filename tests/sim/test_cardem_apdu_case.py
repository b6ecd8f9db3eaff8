import pytest

from remsimd.sim.frontends.apdu_case import Case, determine, modem_sends_data

CASES = (
    # TS 51.011
    ("a0a4000002", Case.BOTH),
    ("a0c000000f", Case.FROM_CARD),
    ("a0f2000016", Case.FROM_CARD),
    ("a0b000000a", Case.FROM_CARD),
    ("a0dc01041c", Case.TO_CARD),
    ("a088000010", Case.BOTH),
    ("a010000014", Case.TO_CARD),
    ("a0c2000010", Case.BOTH),
    ("a012000020", Case.FROM_CARD),
    ("a004000000", Case.NEITHER),
    # TS 102 221, on any logical channel
    ("00a4040407", Case.BOTH),
    ("01a4000402", Case.BOTH),
    ("41b000000a", Case.FROM_CARD),
    ("0020000108", Case.TO_CARD),
    ("0088008122", Case.BOTH),
    ("0089008122", Case.BOTH),
    ("00c0000010", Case.FROM_CARD),
    ("0070000001", Case.FROM_CARD),
    ("00a2010405", Case.BOTH),
    ("0075040010", Case.TO_CARD),
    ("0075000010", Case.FROM_CARD),
    ("0073000010", Case.FROM_CARD),
    ("0073018010", Case.TO_CARD),
    ("007301a010", Case.FROM_CARD),
    ("0073040010", Case.TO_CARD),
    ("8010000014", Case.TO_CARD),
    ("80c2000010", Case.BOTH),
    ("8012000020", Case.FROM_CARD),
    ("8014000010", Case.TO_CARD),
    ("80aa000005", Case.TO_CARD),
    ("8176000003", Case.BOTH),
    ("80f2000010", Case.FROM_CARD),
    ("80cb00a001", Case.BOTH),
    ("80cb002040", Case.FROM_CARD),
    ("80db00a010", Case.TO_CARD),
    # GlobalPlatform
    ("80f2400202", Case.BOTH),
    ("80e2910010", Case.BOTH),
    ("80e2000010", Case.TO_CARD),
    ("80e6020010", Case.BOTH),
    # ISO 7816-4, as desktop systems ask every card
    ("00ca7f6800", Case.FROM_CARD),
)


@pytest.mark.parametrize(("header", "case"), CASES)
def test_the_case_follows_from_the_header(header: str, case: Case) -> None:
    assert determine(bytes.fromhex(header)) is case


@pytest.mark.parametrize("header", ["0099000005", "a070000001", "8099000005", "0073050010"])
def test_other_instructions_are_not_guessed(header: str) -> None:
    assert determine(bytes.fromhex(header)) is None


def test_without_p3_no_data_follows() -> None:
    assert modem_sends_data(bytes.fromhex("00a4000402"), Case.BOTH)
    assert modem_sends_data(bytes.fromhex("0020000108"), Case.TO_CARD)
    assert not modem_sends_data(bytes.fromhex("0020000100"), Case.TO_CARD)
    assert not modem_sends_data(bytes.fromhex("00b000000a"), Case.FROM_CARD)
