"""Nothing that a user can set gets out of its place in an AT line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.at.command import changes_echo, check_command, dials, quote, redact


@pytest.mark.parametrize("text", ['a"b', "a\rAT+CFUN=0", "a\nb", "a\x1ab", "a\x1bb", "a\x00", "ü", "\\22"])
def test_quote_refuses_what_could_end_the_string(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        quote(text)


@given(st.text())
def test_a_quoted_value_is_one_string_constant(text: str) -> None:
    try:
        quoted = quote(text)
    except ValueError:
        return
    assert quoted == f'"{text}"'
    assert quoted.count('"') == 2
    assert quoted.isprintable()
    assert check_command(f"AT+CGDCONT=1,{quoted[:200]}").startswith("AT")


@pytest.mark.parametrize(
    "command", ["", "CSQ", "AT\r", "AT+CSQ\nAT+CFUN=0", "AT+CMGS=1\x1a", "AT" + "x" * 4096]
)
def test_only_one_at_line_is_a_command(command: str) -> None:
    with pytest.raises(ValueError, match="AT line"):
        check_command(command)


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ('AT+CPIN="1234"', "AT+CPIN=<redacted>"),
        ("at+cpin=1234", "at+cpin=<redacted>"),
        ('AT+CGLA=1,10,"0088008122"', "AT+CGLA=<redacted>"),
        ('AT+CSIM=10,"0088000000"', "AT+CSIM=<redacted>"),
        ('AT+CGAUTH=1,1,"user","secret"', "AT+CGAUTH=<redacted>"),
        ("AT+CPIN?", "AT+CPIN?"),
        ("AT+CSQ", "AT+CSQ"),
    ],
)
def test_secrets_are_left_out_of_what_is_logged(command: str, shown: str) -> None:
    assert redact(command) == shown


def test_which_commands_dial_and_which_change_the_echo() -> None:
    assert dials("ATD*99#")
    assert not dials("AT+CGATT=1")
    assert [changes_echo(each) for each in ("ATE0", "ate1", "ATZ", "AT&F", "AT+CSQ", "ATI")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]
