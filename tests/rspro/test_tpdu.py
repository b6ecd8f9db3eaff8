import pytest

from remsimd.rspro.tpdu import redact, status_word


@pytest.mark.parametrize("ins", [0x88, 0x20, 0x24, 0x26, 0x28, 0x2C])
@pytest.mark.parametrize("cla", [0x00, 0xA0, 0x01])
def test_the_data_of_secret_commands_is_never_shown(cla: int, ins: int) -> None:
    tpdu = bytes((cla, ins, 0, 1, 8)) + b"\xde\xad\xbe\xef\xde\xad\xbe\xef"
    assert "dead" not in redact(tpdu, payload=True).replace(" ", "")
    assert redact(tpdu, payload=True).endswith("(8 octets)")


def test_harmless_data_is_shown_where_it_is_wanted() -> None:
    tpdu = bytes.fromhex("a0a40000023f00")
    assert redact(tpdu, payload=True) == "a0 a4 00 00 02 3f00"
    assert redact(tpdu, payload=False) == "a0 a4 00 00 02 (2 octets)"
    assert redact(tpdu[:5], payload=True) == "a0 a4 00 00 02"


def test_status_word_is_the_end_of_the_answer() -> None:
    assert status_word(bytes.fromhex("aabb9f0c")) == 0x9F0C
