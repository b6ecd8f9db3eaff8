import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.bank.auc import Auc
from simlab.bank.cards import CardData, generate
from simlab.bank.files import USIM_AID
from simlab.bank.usim import ATR, Usim

CARD = generate(1, seed=3)[0]
AID = "a0000000871002"


@pytest.fixture
def usim() -> Usim:
    return Usim(CARD)


def ask(usim: Usim, *commands: str) -> str:
    """Send commands; the answer to the last."""
    answer = ""
    for command in commands:
        answer = usim.transmit(bytes.fromhex(command)).hex()
    return answer


def fetch(usim: Usim, cla: str, *commands: str) -> bytes:
    """Send commands and fetch what the last one has to give."""
    answer = ask(usim, *commands)
    assert answer[:2] in ("61", "9f"), answer
    data = ask(usim, f"{cla}c00000{answer[2:]}")
    assert data.endswith("9000")
    return bytes.fromhex(data[:-4])


SELECT_USIM = f"00a4040407{AID}"
SELECT_GSM = "a0a40000027f20"


def test_the_2g_way_to_the_identity(usim: Usim) -> None:
    assert ask(usim, "a0a40000023f00") == "9f16"
    assert ask(usim, "a0a40000022fe2") == "9f0f"
    status = fetch(usim, "a0", "a0a40000022fe2")
    assert (status[2:4], status[4:6], status[6], status[13]) == (b"\x00\x0a", b"\x2f\xe2", 4, 0)
    iccid = ask(usim, "a0b000000a")
    assert "".join(b + a for a, b in zip(iccid[0:20:2], iccid[1:20:2], strict=True)).rstrip("f") == CARD.iccid
    imsi = ask(usim, SELECT_GSM, "a0a40000026f07", "a0b0000009")
    assert "".join(b + a for a, b in zip(imsi[2:18:2], imsi[3:18:2], strict=True))[1:] == CARD.imsi
    assert imsi.endswith("9000")


def test_the_3g_way_to_the_identity(usim: Usim) -> None:
    fcp = fetch(usim, "00", SELECT_USIM)
    assert fcp[0] == 0x62
    assert fcp[1] == len(fcp) - 2
    assert bytes((0x84, len(USIM_AID))) + USIM_AID in fcp
    ef = fetch(usim, "00", "00a40004026f07")
    assert b"\x83\x02\x6f\x07" in ef
    assert b"\x80\x02\x00\x09" in ef
    assert ask(usim, "00b0000009") == ask(usim, "00b0870009")


def test_the_directory_names_the_application(usim: Usim) -> None:
    record = ask(usim, "00a40004022f00", "00b2010428")
    assert USIM_AID.hex() in record
    assert ask(usim, "00b2020428") == "6a83"
    assert ask(usim, "00b2010410") == "6c28"


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        # selection
        (("00a40004021234",), "6a82"),
        (("a0a40000021234",), "9404"),
        (("00a4040407a0000000871004",), "6a82"),
        (("00a4040c07" + AID,), "9000"),
        (("00a4080c047f106f3a",), "9000"),
        (("00a4080c067fff6f076f07",), "6a82"),
        (("00a4080c02ffff",), "6a82"),
        (("00a4000c027fff",), "6a82"),
        ((SELECT_USIM, "00a4000c023f00", "00a4000c027fff"), "9000"),
        ((SELECT_USIM, "00a4000c027f20"), "9000"),
        ((SELECT_USIM, "00a4090c026f07"), "9000"),
        ((SELECT_GSM, "a0a40000027f10", "a0a40000026f3a"), "9f0f"),
        (("00a40304023f00",), "6b00"),
        (("00a40005023f00",), "6b00"),
        (("a0a40100023f00",), "6b00"),
        (("00a40004033f0000",), "6700"),
        (("00a40004033f00",), "6700"),
        # reading
        (("00b0000001",), "6986"),
        (("a0b0000001",), "9400"),
        (("00a4000c022fe2", "00b000000b"), "6c0a"),
        (("00a4000c022fe2", "00b0000000"), "6c0a"),
        (("a0a40000022fe2", "a0b000000b"), "670a"),
        (("00a4000c022fe2", "00b0000a01"), "6b00"),
        (("a0a40000022fe2", "a0b0000a01"), "9402"),
        (("00a4000c022fe2", "00b201040a"), "6981"),
        (("a0a40000022fe2", "a0b201040a"), "9408"),
        (("00a4000c022f00", "00b0000001"), "6981"),
        (("00b0850004",), "656effff9000"),
        (("00b09f0001",), "6a82"),
        (("00b2010028",), "6986"),
        (("00a4000c022f00", "00b2010028"), "6b00"),
        # writing
        ((SELECT_USIM, "00a4000c026f7e", "00d6000003aabbcc", "00b0000003"), "aabbcc9000"),
        ((SELECT_USIM, "00a4000c026f07", "00d60000010a"), "6982"),
        ((SELECT_GSM, "a0a40000026f07", "a0d60000010a"), "9804"),
        ((SELECT_USIM, "00a4000c026f7e", "00d600090300ff01"), "6700"),
        # PINs: PIN 1 is disabled
        (("0020000100",), "63c3"),
        (("002000010831323334ffffffff",), "6984"),
        (("a02000010831323334ffffffff",), "9808"),
        (("002000070831323334ffffffff",), "6b00"),
        (("0020000104" + "31323334",), "6700"),
        # what a card without a toolkit and without channels says
        (("0070000001",), "6881"),
        (("a070000001",), "6d00"),
        (("01a40004023f00",), "6881"),
        (("8010000002ffff",), "9000"),
        (("80c2000002d600",), "9000"),
        (("8012000010",), "6f00"),
        (("00c0000010",), "6f00"),
        (("00a40004023f00", "00b0000001", "00c0000010"), "6f00"),
        (("00f2000c00",), "9000"),
        (("00f2030000",), "6b00"),
        # what is not a command
        (("00ff000000",), "6d00"),
        (("40a40004023f00",), "6e00"),
        (("ffa40004023f00",), "6e00"),
        (("00a4",), "6700"),
        (("",), "6700"),
    ],
)
def test_answers(usim: Usim, commands: tuple[str, ...], answer: str) -> None:
    assert ask(usim, *commands) == answer


def test_get_response_tells_the_right_length_and_gives_the_rest(usim: Usim) -> None:
    length = bytes.fromhex(ask(usim, SELECT_USIM))[1]
    assert ask(usim, "00c00000ff") == f"6c{length:02x}"
    assert ask(usim, "00c0000004").endswith(f"61{length - 4:02x}")
    assert ask(usim, f"00c00000{length - 4:02x}").endswith("9000")


def test_status_describes_the_current_directory(usim: Usim) -> None:
    assert ask(usim, "a0f2000016")[8:12] == "3f00"
    assert ask(usim, SELECT_GSM, "a0f2000016")[8:12] == "7f20"
    right = ask(usim, "00f2000000")
    assert right[:2] == "6c"
    assert ask(usim, f"00f20000{right[2:]}").endswith("9000")
    assert ask(usim, SELECT_USIM, "00f2000110") == USIM_AID.hex() + "9000"


def test_a_reset_forgets_the_selection_and_keeps_the_files(usim: Usim) -> None:
    ask(usim, SELECT_USIM, "00a4000c026f7e", "00d6000003aabbcc")
    usim.reset()
    assert ask(usim, "00b0000003") == "6986"
    assert ask(usim, SELECT_USIM, "00a4000c026f7e", "00b0000003") == "aabbcc9000"


def test_the_atr_has_a_good_check_octet() -> None:
    check = 0
    for octet in ATR[1:]:
        check ^= octet
    assert check == 0


# Authentication


def challenge_command(rand: bytes, autn: bytes) -> str:
    return "0088008122" + "10" + rand.hex() + "10" + autn.hex()


def values(answer: bytes) -> list[bytes]:
    found, position = [], 1
    while position < len(answer):
        end = position + 1 + answer[position]
        found.append(answer[position + 1 : end])
        position = end
    return found


def test_a_good_challenge_is_answered_with_the_keys(usim: Usim) -> None:
    challenge = Auc([CARD]).challenge(CARD.imsi)
    answer = fetch(usim, "00", SELECT_USIM, challenge_command(challenge.rand, challenge.autn))
    assert answer[0] == 0xDB
    assert values(answer)[:3] == [challenge.xres, challenge.ck, challenge.ik]


def test_a_used_challenge_is_answered_with_auts_that_the_home_network_believes(usim: Usim) -> None:
    auc = Auc([CARD])
    for _ in range(40):
        challenge = auc.challenge(CARD.imsi)
        assert ask(usim, SELECT_USIM, challenge_command(challenge.rand, challenge.autn))[:2] == "61"
    behind = Auc([CARD])
    old = behind.challenge(CARD.imsi)
    answer = fetch(usim, "00", SELECT_USIM, challenge_command(old.rand, old.autn))
    assert answer[:2] == b"\xdc\x0e"
    auts = answer[2:]
    assert not behind.resynchronise(CARD.imsi, old.rand, bytes(14))
    assert not behind.resynchronise(CARD.imsi, bytes(16), auts)
    assert behind.resynchronise(CARD.imsi, old.rand, auts)
    fresh = behind.challenge(CARD.imsi)
    assert fetch(usim, "00", SELECT_USIM, challenge_command(fresh.rand, fresh.autn))[0] == 0xDB


def test_a_challenge_of_another_network_is_refused(usim: Usim) -> None:
    stranger = CardData(iccid=CARD.iccid, imsi=CARD.imsi, k=bytes(16), opc=CARD.opc, slot=0)
    challenge = Auc([stranger]).challenge(CARD.imsi)
    assert ask(usim, SELECT_USIM, challenge_command(challenge.rand, challenge.autn)) == "9862"


def test_2g_challenges_give_the_same_in_both_dialects(usim: Usim) -> None:
    rand = bytes(range(16))
    in_gsm = fetch(usim, "a0", SELECT_GSM, "a088000010" + rand.hex())
    in_usim = fetch(usim, "00", SELECT_USIM, "0088008011" + "10" + rand.hex())
    assert len(in_gsm) == 12
    assert in_usim == b"\x04" + in_gsm[:4] + b"\x08" + in_gsm[4:]


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (("0088008122" + "10" + "00" * 16 + "10" + "00" * 16,), "6985"),
        (("a088000010" + "00" * 16,), "9804"),
        ((SELECT_GSM, "a088000011" + "00" * 17), "6700"),
        ((SELECT_GSM, "a088000110" + "00" * 16), "6b00"),
        ((SELECT_USIM, "0088008222" + "00" * 34), "6b00"),
        ((SELECT_USIM, "0088008120" + "00" * 32), "6700"),
        ((SELECT_USIM, "0088008122" + "0f" + "00" * 33), "6a80"),
    ],
)
def test_challenges_at_the_wrong_place_or_of_the_wrong_form(
    usim: Usim, commands: tuple[str, ...], answer: str
) -> None:
    assert ask(usim, *commands) == answer


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_whatever_is_sent_a_status_word_comes_back(commands: list[bytes]) -> None:
    usim = Usim(CARD)
    for command in commands:
        assert 2 <= len(usim.transmit(command)) <= 258


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0x00, 0x80, 0xA0)),
            st.sampled_from((0x20, 0x88, 0xA4, 0xB0, 0xB2, 0xC0, 0xD6, 0xF2)),
            st.integers(0, 255),
            st.integers(0, 255),
            st.binary(max_size=34),
        ),
        max_size=30,
    )
)
def test_well_formed_commands_too(commands: list[tuple[int, int, int, int, bytes]]) -> None:
    usim = Usim(CARD)
    for cla, ins, p1, p2, data in commands:
        answer = usim.transmit(bytes((cla, ins, p1, p2, len(data))) + data)
        assert 2 <= len(answer) <= 258
