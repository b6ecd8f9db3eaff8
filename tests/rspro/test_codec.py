import dataclasses
from pathlib import Path

import asn1tools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.errors import RsproError
from remsimd.rspro import codec, ipa, pdu
from remsimd.rspro.ber import tlv
from remsimd.rspro.pdu import RsproPdu
from tests.rspro.notation import named_pdus, notation, pdus, recorded_pdus, recorded_session

SCHEMA = asn1tools.compile_files(str(Path(__file__).parent / "rspro.asn"), "der")

RECORDED = [(entry["pdu"], bytes.fromhex(entry["ber"])) for entry in recorded_pdus()]
RECORDED += [(e["pdu"], bytes.fromhex(e["frame"])[4:]) for e in recorded_session() if "pdu" in e]


@pytest.mark.parametrize(("expected", "data"), RECORDED)
def test_recorded_pdus_decode_and_encode_to_the_same_octets(expected: dict[str, object], data: bytes) -> None:
    value = codec.decode(data)
    assert notation(value) == expected
    assert codec.encode(value) == data


def test_the_recordings_have_all_messages() -> None:
    assert {type(codec.decode(data).msg) for _, data in RECORDED} == {cls for cls, _ in codec.ALTERNATIVES}
    assert len(codec.ALTERNATIVES) == 21


def test_the_description_fits_the_dataclasses() -> None:
    """A field may be None where, and only where, the ASN.1 says OPTIONAL."""
    for cls, kinds in codec.ALTERNATIVES:
        for field, kind in zip(dataclasses.fields(cls), kinds, strict=True):
            assert kind.optional == (field.default is None), f"{cls.__name__}.{field.name}"


@given(pdus)
def test_every_pdu_survives_the_round_trip(value: RsproPdu) -> None:
    assert codec.decode(codec.encode(value)) == value


def _foreign(value: object) -> object:
    """Our JSON notation as asn1tools takes values."""
    if isinstance(value, dict):
        if set(value) == {"hex"}:
            return bytes.fromhex(str(value["hex"]))
        if set(value) == {"choice", "value"}:
            return value["choice"], _foreign(value["value"])
        return {name: _foreign(field) for name, field in value.items()}
    return value


# asn1tools knows no number without a name, not even in an open enumeration.
@given(named_pdus)
@settings(max_examples=200)
def test_an_asn1_compiler_agrees(value: RsproPdu) -> None:
    written = notation(value)
    theirs = SCHEMA.encode("RsproPDU", _foreign(written))
    assert theirs == codec.encode(value)
    assert SCHEMA.decode("RsproPDU", codec.encode(value)) == _foreign(written)


def test_unknown_extension_fields_are_skipped() -> None:
    slot = codec.encode(RsproPdu(pdu.ConfigClientIdReq(pdu.ClientSlot(1, 2))))
    assert slot.hex() == "3012800102810100a20aa8083006020101020102"
    extended = bytes.fromhex("301a800102810100a212a810300a02010102010285020abc8902ffff")
    assert codec.decode(extended).msg == pdu.ConfigClientIdReq(pdu.ClientSlot(1, 2))


def test_ip_port_has_no_room_for_extensions() -> None:
    bank_slot = bytes.fromhex("3006020101020102")
    ip_port = tlv(0x30, bytes.fromhex("8004c0a80164" + "0202270f" + "850100"))
    message = tlv(0xA2, tlv(0xB1, bank_slot + ip_port))
    with pytest.raises(RsproError, match="follows"):
        codec.decode(tlv(0x30, bytes.fromhex("800102810100") + message))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("", "cut off"),
        ("30", "cut off"),
        ("3080800102810100a202b3000000", "indefinite"),
        ("300a800102810100a202b300ff", "not one"),
        ("310a800102810100a202b300", "not one"),
        ("300a800121810100a202b300", "outside 0..32"),
        ("300a8001028101ffa202b300", "outside 0..2147483647"),
        ("300a800102810100a202b500", "unknown message"),
        ("300c800102810100a204b300b300", "follows the message"),
        ("300a810102800100a202b300", "must stand"),
        ("3009800102810100a202b3", "announces 2 octets, 1 are left"),
        ("3010800102810100a208b3060201010201", "announces"),
        ("300d800102810100a205a9030a0100" + "00" * 2, "not one"),
        ("300a800102810100a202a900", "result is missing"),
        ("300c800102810100a204a9020a00", "0 octets"),
        ("3008800102810100a200", "cut off"),
        ("30ff", "cut off in its length"),
        ("3f0100", "several octets"),
        ("3016800102810100a20ea80c300a02040000040002020001", "outside 0..1023"),
    ],
)
def test_what_is_no_pdu_is_refused(data: str, why: str) -> None:
    with pytest.raises(RsproError, match=why):
        codec.decode(bytes.fromhex(data))


def test_a_long_form_of_a_short_length_is_accepted() -> None:
    assert codec.decode(bytes.fromhex("30810b8001028101" + "00a28102b300")).msg == pdu.ResetStateReq()


def test_true_is_any_octet_but_zero() -> None:
    status = pdu.ClientSlotStatusInd(pdu.ClientSlot(1, 2), pdu.BankSlot(3, 4), pdu.SlotPhysStatus(True))
    data = codec.encode(RsproPdu(status))
    assert data.endswith(b"\x80\x01\xff")
    assert codec.decode(data[:-1] + b"\x01").msg == status


def test_unknown_codes_are_kept_as_numbers() -> None:
    message = codec.decode(bytes.fromhex("300d800102810100a205ab030a0137")).msg
    assert message == pdu.SetAtrRes(0x37)
    assert codec.encode(RsproPdu(message)).endswith(b"\x0a\x01\x37")


@pytest.mark.parametrize(
    "message",
    [
        pdu.ConfigClientIdReq(pdu.ClientSlot(1024, 0)),
        pdu.ConfigClientIdReq(pdu.ClientSlot(0, -1)),
        pdu.SetAtrReq(pdu.ClientSlot(0, 0), b""),
        pdu.SetAtrReq(pdu.ClientSlot(0, 0), b"\x3b" * 56),
        pdu.ConnectClientReq(pdu.ComponentIdentity(0, "", "s", "1")),
        pdu.ConnectClientReq(pdu.ComponentIdentity(0, "n" * 33, "s", "1")),
        pdu.ConnectClientReq(pdu.ComponentIdentity(0, "Z\xfcrich", "s", "1")),
    ],
)
def test_values_out_of_range_are_not_encoded(message: pdu.Message) -> None:
    with pytest.raises(RsproError):
        codec.encode(RsproPdu(message))


def _refuses_or_decodes(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except RsproError:
        return
    assert codec.decode(codec.encode(value)) == value


@given(st.binary(max_size=200))
@settings(max_examples=2000)
def test_noise_is_refused_with_an_rspro_error(data: bytes) -> None:
    _refuses_or_decodes(data)


def test_damaged_pdus_are_refused_with_an_rspro_error() -> None:
    """Every recorded PDU cut at each place, and with each octet changed in several ways."""
    tried = 0
    for data in {data for _, data in RECORDED}:
        for place in range(len(data)):
            _refuses_or_decodes(data[:place])
            for octet in (0x00, 0x7F, 0x80, 0xFF, data[place] ^ 0x20):
                _refuses_or_decodes(data[:place] + bytes((octet,)) + data[place + 1 :])
                tried += 1
    assert tried > 20_000


def test_a_frame_of_the_largest_size_is_bounded() -> None:
    with pytest.raises(RsproError):
        codec.decode(b"\x30\x82\xff\xff" + b"\x00" * ipa.BODY_MAX_OCTETS)
