"""The emulated board by itself: what its firmware says to the host and to the modem."""

import pytest

from remsimd.sim.frontends.cardem_protocol import (
    Config,
    DataFlag,
    Feature,
    Message,
    Pts,
    RxData,
    SetAtr,
    SimSelect,
    Status,
    StatusFlag,
    StatusRequest,
    TxData,
    decode,
    encode,
)
from simlab.cardem import RX_OCTETS, CardemBoard, State

ATR = bytes.fromhex("3b9f96")
END = DataFlag.PB_AND_TX | DataFlag.FINAL


class Bench:
    """A board with its remote card selected, and what came out on the modem's side."""

    def __init__(self) -> None:
        self.heard = b""
        self.board = CardemBoard(to_modem=self._hear)
        self.host(SimSelect(remote=True), SetAtr(ATR))

    def _hear(self, octets: bytes) -> None:
        self.heard += octets

    def host(self, *messages: Message) -> None:
        for message in messages:
            self.board.receive(encode(message))

    def said(self) -> list[Message]:
        messages = [decode(transfer) for transfer in self.board.bulk_in]
        self.board.bulk_in.clear()
        return messages

    def interrupts(self) -> list[Message]:
        messages = [decode(transfer) for transfer in self.board.interrupt_in]
        self.board.interrupt_in.clear()
        return messages

    def power_on(self) -> None:
        self.board.contacts(vcc=True, clk=True)
        self.board.contacts(rst_low=False)
        assert self.heard == ATR
        self.heard = b""


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_card_out_of_reset_sends_its_atr_and_only_when_it_is_selected(bench: Bench) -> None:
    bench.power_on()
    bench.host(SimSelect(remote=False))
    bench.board.contacts(rst_low=True)
    bench.board.contacts(rst_low=False)
    assert bench.heard == b""


def test_contacts_come_on_the_interrupt_endpoint_when_it_was_asked_for(bench: Bench) -> None:
    bench.board.contacts(vcc=True)
    assert bench.interrupts() == []
    bench.host(Config(Feature.STATUS_ON_INTERRUPT))
    assert bench.said() == [Config(Feature.STATUS_ON_INTERRUPT)]
    bench.board.contacts(clk=True)
    bench.board.contacts(clk=True)
    (status,) = bench.interrupts()
    assert isinstance(status, Status)
    assert status.flags == StatusFlag.VCC | StatusFlag.CLK | StatusFlag.RESET | StatusFlag.REMOTE
    bench.host(StatusRequest())
    assert bench.said() == [status]


def test_a_selected_protocol_is_echoed_and_told_and_lasts_until_the_reset(bench: Bench) -> None:
    bench.power_on()
    request = bytes.fromhex("ff109679")
    bench.board.hear(request)
    assert bench.heard == request
    assert bench.said() == [Pts(request, request)]
    bench.host(StatusRequest())
    (status,) = bench.said()
    assert isinstance(status, Status)
    assert (status.f_index, status.d_index) == (9, 6)
    bench.board.contacts(rst_low=True)
    bench.board.contacts(rst_low=False)
    bench.host(StatusRequest())
    (status,) = bench.said()
    assert isinstance(status, Status)
    assert (status.f_index, status.d_index) == (1, 1)


def test_a_protocol_selection_with_a_wrong_check_is_not_answered(bench: Bench) -> None:
    bench.power_on()
    bench.board.hear(bytes.fromhex("ff109678"))
    assert bench.heard == b""
    bench.board.hear(bytes.fromhex("00b0000001"))
    assert bench.said() == [RxData(DataFlag.TPDU_HEADER, bytes.fromhex("00b0000001"))]


def test_a_command_with_data_and_an_answer(bench: Bench) -> None:
    bench.power_on()
    bench.board.hear(bytes.fromhex("00a4000402"))
    assert bench.said() == [RxData(DataFlag.TPDU_HEADER, bytes.fromhex("00a4000402"))]
    bench.host(TxData(DataFlag.PB_AND_RX, b"\xa4"))
    assert bench.heard == b"\xa4"
    bench.board.hear(b"\x3f\x00")
    assert bench.said() == [RxData(DataFlag.FINAL, b"\x3f\x00")]
    bench.host(TxData(END, b"\x61\x10"))
    assert bench.heard == b"\xa4\x61\x10"
    assert bench.board.state is State.HEADER


def test_much_data_comes_in_several_messages(bench: Bench) -> None:
    bench.power_on()
    bench.board.hear(bytes.fromhex("00d60000ff"))
    bench.said()
    bench.host(TxData(DataFlag.PB_AND_RX, b"\xd6"))
    octets = bytes(range(255))
    bench.board.hear(octets)
    assert bench.said() == [
        RxData(DataFlag(0), octets[:RX_OCTETS]),
        RxData(DataFlag.FINAL, octets[RX_OCTETS:]),
    ]


def test_the_modem_is_asked_for_patience_only_while_it_waits(bench: Bench) -> None:
    bench.power_on()
    bench.board.half_waiting_time()
    assert bench.heard == b""
    bench.board.hear(bytes.fromhex("00b0000001"))
    bench.board.half_waiting_time()
    bench.board.half_waiting_time()
    assert bench.heard == b"\x60\x60"


def test_what_the_host_sends_to_an_inactive_card_is_dropped(bench: Bench) -> None:
    bench.power_on()
    bench.board.hear(bytes.fromhex("00b0000001"))
    bench.board.contacts(rst_low=True)
    bench.host(TxData(END, b"\x90\x00"))
    bench.board.contacts(rst_low=False)
    bench.host(TxData(END, b"\x90\x00"))
    assert (bench.heard, bench.board.dropped) == (ATR, 2)


def test_four_messages_wait_and_the_oldest_is_lost(bench: Bench) -> None:
    for number in range(6):
        bench.host(Config(Feature(0), slot_mux_nr=number))
    assert [message.slot_mux_nr for message in bench.said() if isinstance(message, Config)] == [2, 3, 4, 5]


def test_what_is_no_message_is_dropped(bench: Bench) -> None:
    bench.board.receive(b"\x01\x01")
    assert bench.board.dropped == 1
