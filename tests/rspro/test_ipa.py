import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.errors import RsproError
from remsimd.rspro import ipa
from remsimd.rspro.ipa import Ccm, Deframer, Frame, Proto
from tests.rspro.notation import recorded_session

RECORDED = [bytes.fromhex(entry["frame"]) for entry in recorded_session()]


def frames_of(chunks: list[bytes]) -> list[Frame]:
    deframer = Deframer()
    return [frame for chunk in chunks for frame in deframer.feed(chunk)]


def test_keepalive_frames_are_those_on_the_wire() -> None:
    assert (ipa.PING.hex(), ipa.PONG.hex(), ipa.ccm(Ccm.ID_ACK).hex()) == ("0001fe00", "0001fe01", "0001fe06")


def test_a_recorded_session_is_cut_into_its_frames() -> None:
    whole = frames_of([b"".join(RECORDED)])
    assert len(whole) == len(RECORDED)
    built = [ipa.rspro(f.body) if f.proto is Proto.OSMO else ipa.ccm(Ccm(f.body[0])) for f in whole]
    assert built == RECORDED


def test_byte_by_byte_gives_the_same_frames() -> None:
    stream = b"".join(RECORDED)
    assert frames_of([bytes((octet,)) for octet in stream]) == frames_of([stream])


@given(st.lists(st.integers(1, 40)))
def test_any_chunks_give_the_same_frames(sizes: list[int]) -> None:
    stream = b"".join(RECORDED[:12])
    chunks, position = [], 0
    for size in sizes:
        chunks.append(stream[position : position + size])
        position += size
    assert frames_of([*chunks, stream[position:]]) == frames_of([stream])


@pytest.mark.parametrize("stream", ["0001ee00", "0001aa07", "0000fe", "0000ee", "000200ff07", "474554"])
def test_what_is_not_rspro_is_refused(stream: str) -> None:
    with pytest.raises(RsproError):
        frames_of([bytes.fromhex(stream)])


@given(st.binary(max_size=64))
def test_noise_ends_in_frames_or_an_rspro_error(noise: bytes) -> None:
    try:
        frames = frames_of([noise])
    except RsproError:
        return
    assert all(isinstance(frame, Frame) for frame in frames)


def test_a_body_longer_than_a_frame_is_refused() -> None:
    assert len(ipa.rspro(b"\x00" * 65534)) == 65538
    with pytest.raises(RsproError):
        ipa.rspro(b"\x00" * 65535)
