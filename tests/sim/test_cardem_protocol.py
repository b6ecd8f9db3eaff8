import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.errors import FrontendError
from remsimd.sim.frontends.cardem_protocol import (
    BoardError,
    CardInsert,
    Config,
    DataFlag,
    Feature,
    Message,
    ModemReset,
    Other,
    Pts,
    ResetAction,
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

# Written down octet by octet from the structures of simtrace_prot.h.
VECTORS: tuple[tuple[Message, str], ...] = (
    (Config(Feature.STATUS_ON_INTERRUPT), "01 08 00 00 0000 0c00  01000000"),
    (Config(Feature(0), 1, 3), "01 08 00 00 0000 0e00  00000000 01 03"),
    (SimSelect(remote=True), "02 02 00 00 0000 0900  01"),
    (SimSelect(remote=False), "02 02 00 00 0000 0900  00"),
    (SetAtr(bytes.fromhex("3b9f96")), "01 02 00 00 0000 0c00  03 3b9f96"),
    (CardInsert(inserted=True), "01 05 00 00 0000 0900  01"),
    (ModemReset(ResetAction.PULSE, 300), "02 01 00 00 0000 0b00  02 2c01"),
    (StatusRequest(), "01 04 00 00 0000 0800"),
    (
        Status(StatusFlag.VCC | StatusFlag.CLK, 1800, 9, 6, 10, 4915200),
        "01 04 00 00 0000 1500  03000000 0807 09 06 0a 00004b00",
    ),
    (
        RxData(DataFlag.TPDU_HEADER, bytes.fromhex("00a4000402")),
        "01 06 00 00 0000 1300  01000000 0500 00a4000402",
    ),
    (RxData(DataFlag.FINAL, b"\x3f\x00"), "01 06 00 00 0000 1000  02000000 0200 3f00"),
    (TxData(DataFlag.PB_AND_RX, b"\xa4"), "01 01 00 00 0000 0f00  08000000 0100 a4"),
    (
        TxData(DataFlag.PB_AND_TX | DataFlag.FINAL, b"\x90\x00"),
        "01 01 00 00 0000 1000  06000000 0200 9000",
    ),
    (
        Pts(bytes.fromhex("ff10967f"), bytes.fromhex("ff10967f")),
        "01 07 00 00 0000 1500  04 ff10967f0000 ff10967f0000",
    ),
    (BoardError(2, 1, 258, "usb"), "00 00 00 00 0000 1000  02 01 0201 03 757362"),
    (Other(0x0301, b"\x07"), "03 01 00 00 0000 0900  07"),
)


@pytest.mark.parametrize(("message", "octets"), VECTORS)
def test_messages_are_the_octets_of_the_header_file(message: Message, octets: str) -> None:
    transfer = bytes.fromhex(octets)
    assert encode(message) == transfer
    assert decode(transfer) == message


def test_the_slot_is_the_fourth_octet() -> None:
    assert encode(StatusRequest(), slot_nr=1)[3] == 1


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "01060000000007",
        "0106000000000900",  # says 9, is 8
        "0106000000000800",  # no flags
        "0106000000000f00 01000000 0200 00",  # 2 octets announced, 1 there
        "0102000000000b00 03 3b9f",
        "0102000000000900 00",
        "0104000000000900 03",  # a status cut short
        "0107000000000900 07",
        "0201000000000b00 09 0000",  # no such reset
        "0202000000000800",
    ],
)
def test_what_is_no_message_is_refused(octets: str) -> None:
    with pytest.raises(FrontendError):
        decode(bytes.fromhex(octets))


numbers = st.sampled_from([0x0000, 0x0101, 0x0102, 0x0104, 0x0105, 0x0106, 0x0107, 0x0108, 0x0201, 0x0202])


@given(number=numbers, payload=st.binary(max_size=40))
def test_any_octets_are_a_message_or_refused(number: int, payload: bytes) -> None:
    header = bytes((number >> 8, number & 0xFF, 0, 0, 0, 0)) + (8 + len(payload)).to_bytes(2, "little")
    try:
        message = decode(header + payload)
    except FrontendError:
        return
    assert decode(encode(message)) == message
