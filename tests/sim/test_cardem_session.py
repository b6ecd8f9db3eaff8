from hypothesis import given
from hypothesis import strategies as st

from remsimd.sim.frontend import SlotStatus
from remsimd.sim.frontends.cardem_protocol import (
    BoardError,
    Config,
    DataFlag,
    Feature,
    Message,
    Pts,
    RxData,
    Status,
    StatusFlag,
    StatusRequest,
    TxData,
)
from remsimd.sim.frontends.cardem_session import (
    Action,
    Complain,
    Drop,
    Forward,
    Phase,
    Report,
    Session,
    Tell,
    answered,
    received,
)

END = DataFlag.PB_AND_TX | DataFlag.FINAL
RUNNING = StatusFlag.VCC | StatusFlag.CLK


def header(text: str) -> RxData:
    return RxData(DataFlag.TPDU_HEADER, bytes.fromhex(text))


def data(text: str, *, final: bool = True) -> RxData:
    return RxData(DataFlag.FINAL if final else DataFlag(0), bytes.fromhex(text))


def steps(session: Session, *messages: Message) -> tuple[Session, list[Action]]:
    actions: list[Action] = []
    for message in messages:
        session, more = received(session, message)
        actions += more
    return session, actions


def test_a_command_without_data_goes_to_the_card_at_once() -> None:
    session, actions = steps(Session(), header("00b0000003"))
    assert actions == [Forward(1, bytes.fromhex("00b0000003"))]
    session, actions = answered(session, 1, bytes.fromhex("0102039000"))
    answer = TxData(DataFlag.PB_AND_TX, bytes.fromhex("b0010203"))
    assert actions == (Tell(1, (answer, TxData(END, b"\x90\x00"))),)
    assert session.phase is Phase.IDLE


def test_data_is_asked_for_with_the_procedure_byte() -> None:
    session, actions = steps(Session(), header("00a4000402"))
    assert actions == [Tell(1, (TxData(DataFlag.PB_AND_RX, b"\xa4"),))]
    session, actions = steps(session, data("3f00"))
    assert actions == [Forward(1, bytes.fromhex("00a40004023f00"))]
    session, actions = answered(session, 1, b"\x61\x20")
    assert actions == (Tell(1, (TxData(END, b"\x61\x20"),)),)


def test_data_may_come_in_several_messages() -> None:
    session, _ = steps(Session(), header("00d6000004"))
    session, actions = steps(session, data("0102", final=False))
    assert actions == []
    session, actions = steps(session, data("0304"))
    assert actions == [Forward(1, bytes.fromhex("00d600000401020304"))]


def test_the_repetition_after_6c_asks_for_no_data() -> None:
    # GET DATA is of case 4: with P3 = 2D its table would have the modem send 45 octets.
    session, actions = steps(Session(), header("80ca9f7f00"))
    assert actions == [Forward(1, bytes.fromhex("80ca9f7f00"))]
    session, _ = answered(session, 1, b"\x6c\x2d")
    session, actions = steps(session, header("80ca9f7f2d"))
    assert actions == [Forward(2, bytes.fromhex("80ca9f7f2d"))]
    _, actions = answered(session, 2, bytes(45) + b"\x90\x00")
    assert isinstance(actions[0], Tell)
    assert actions[0].messages[0] == TxData(DataFlag.PB_AND_TX, b"\xca" + bytes(45))


def test_another_command_after_6c_is_understood_by_itself() -> None:
    session, _ = steps(Session(), header("80ca9f7f00"))
    session, _ = answered(session, 1, b"\x6c\x2d")
    _, actions = steps(session, header("80ca00ff05"))
    assert actions == [Tell(2, (TxData(DataFlag.PB_AND_RX, b"\xca"),))]


def test_a_reset_ends_what_6c_began() -> None:
    session, _ = steps(Session(), header("80ca9f7f00"))
    session, _ = answered(session, 1, b"\x6c\x2d")
    session, actions = steps(
        session, Status(RUNNING | StatusFlag.RESET), Status(RUNNING), header("80ca9f7f05")
    )
    assert isinstance(actions[-1], Tell)


def test_an_unknown_instruction_with_p3_is_refused_and_one_without_is_forwarded() -> None:
    _, actions = steps(Session(), header("0099000005"))
    assert isinstance(actions[0], Complain)
    assert actions[1] == Tell(1, (TxData(END, b"\x6d\x00"),))
    _, actions = steps(Session(), header("0099000000"))
    assert actions == [Forward(1, bytes.fromhex("0099000000"))]


def test_an_answer_that_the_modem_cannot_count_becomes_a_technical_problem() -> None:
    for command, answer in (
        ("00b000000a", "01029000"),
        ("00a40004023f00", "62009000"),
        ("00b000000a", "90"),
    ):
        session, _ = steps(Session(), header(command[:10]))
        if command[10:]:
            session, _ = steps(session, data(command[10:]))
        _, actions = answered(session, 1, bytes.fromhex(answer))
        assert isinstance(actions[0], Complain)
        assert actions[1] == Tell(1, (TxData(END, b"\x6f\x00"),))


def test_p3_of_zero_stands_for_256_octets() -> None:
    session, _ = steps(Session(), header("00b0000000"))
    _, actions = answered(session, 1, bytes(256) + b"\x90\x00")
    assert isinstance(actions[0], Tell)
    assert actions[0].messages[0] == TxData(DataFlag.PB_AND_TX, b"\xb0" + bytes(256))


def test_contacts_are_told_when_they_change() -> None:
    _, actions = steps(Session(), Status(RUNNING), Status(RUNNING), Status(StatusFlag.VCC))
    assert actions == [
        Report(SlotStatus(reset_active=False, vcc_present=True, clk_active=True)),
        Report(SlotStatus(reset_active=False, vcc_present=True, clk_active=False)),
    ]


def test_what_ends_a_command_drops_its_answer() -> None:
    for end in (
        Status(RUNNING | StatusFlag.RESET),
        Status(StatusFlag.CLK),
        Pts(b"\xff\x00\xff", b"\xff\x00\xff"),
        header("00b0000001"),
    ):
        session, _ = steps(Session(), header("00b0000003"))
        session, actions = steps(session, end)
        assert Drop(1) in actions
        session, actions = answered(session, 1, bytes.fromhex("0102039000"))
        assert actions == ()


DOWN = Status(RUNNING | StatusFlag.RESET)
UP = SlotStatus(reset_active=False, vcc_present=True, clk_active=True)


def late(session: Session, *statuses: Status) -> tuple[Session, list[Action]]:
    """Statuses of the interrupt endpoint."""
    actions: list[Action] = []
    for status in statuses:
        session, more = received(session, status, interrupt=True)
        actions += more
    return session, actions


def test_a_header_after_a_reset_not_yet_released_is_checked_and_valid() -> None:
    session, _ = late(Session(), DOWN)
    session, actions = steps(session, header("00b0000003"))
    assert actions == [Tell(2, (StatusRequest(),))]
    session, actions = steps(session, Status(RUNNING))
    assert actions == [Report(UP), Forward(2, bytes.fromhex("00b0000003"))]
    # What was said before the header comes only now.
    session, actions = late(session, Status(StatusFlag.RESET), DOWN, Status(RUNNING))
    assert actions == []
    _, actions = late(session, DOWN)
    assert actions[0] == Drop(2)


def test_a_header_older_than_the_reset_is_checked_and_forgotten() -> None:
    session, _ = late(Session(), DOWN)
    session, _ = steps(session, header("00b0000003"))
    session, actions = steps(session, DOWN)
    assert (actions, session.phase) == ([], Phase.IDLE)
    _, actions = late(session, Status(RUNNING))
    assert actions == [Report(UP)]


def test_contacts_that_come_while_a_header_is_checked_decide_nothing() -> None:
    session, _ = late(Session(), DOWN)
    session, _ = steps(session, header("00b0000003"))
    session, actions = late(session, Status(StatusFlag.VCC | StatusFlag.RESET), Status(RUNNING))
    assert [type(action) for action in actions] == [Report, Report]
    _, actions = steps(session, Status(RUNNING))
    assert actions == [Forward(2, bytes.fromhex("00b0000003"))]


def test_a_stopped_clock_ends_nothing() -> None:
    session, _ = steps(Session(), header("00b0000003"), Status(StatusFlag.VCC))
    _, actions = answered(session, 1, bytes.fromhex("0102039000"))
    assert isinstance(actions[0], Tell)


def test_a_reset_while_data_comes_forgets_it() -> None:
    session, _ = steps(Session(), header("00a4000402"), data("3f", final=False))
    session, actions = steps(session, Status(RUNNING | StatusFlag.RESET))
    assert Drop(1) in actions
    _, actions = steps(session, data("00"))
    assert [type(action) for action in actions] == [Complain]


def test_what_makes_no_sense_is_said_and_survived() -> None:
    _, actions = steps(Session(), data("00"), header("00a4"), BoardError(1, 2, 3, "overrun"))
    assert [type(action) for action in actions] == [Complain] * 3
    assert steps(Session(), Config(Feature.STATUS_ON_INTERRUPT)) == (Session(), [])


MESSAGES = st.one_of(
    st.builds(RxData, st.builds(DataFlag, st.integers(0, 15)), st.binary(max_size=12)),
    st.builds(Status, st.builds(StatusFlag, st.integers(0, 31))),
    st.just(Pts(b"", b"")),
)


@given(
    history=st.lists(
        st.one_of(st.tuples(MESSAGES, st.booleans()), st.tuples(st.integers(-1, 0), st.binary(max_size=8)))
    )
)
def test_every_command_is_answered_or_dropped_once_whatever_comes(
    history: list[tuple[Message | int, bool | bytes]],
) -> None:
    session, at_card = Session(), None
    for what, more in history:
        if isinstance(what, int):
            assert isinstance(more, bytes)
            session, actions = answered(session, session.number + what, more)
        else:
            session, actions = received(session, what, interrupt=bool(more))
        for action in actions:
            match action:
                case Forward(number, tpdu):
                    assert at_card is None
                    assert len(tpdu) in (5, 5 + tpdu[4])
                    at_card = number
                case Drop(number) if number == at_card:
                    at_card = None
                case Tell(number, messages) if messages[-1] != StatusRequest():
                    assert number == session.number
                    if number == at_card:
                        at_card = None
        assert (session.phase is Phase.AT_CARD) == (at_card is not None)
