"""Building AT command lines: the one place where a value enters a line sent to a modem. Pure."""

import re

COMMAND_LIMIT_CHARS = 2048  # a CGLA with an extended APDU is about 600; some modems cut at 2 KiB

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_COMMAND = re.compile(r"AT[\x20-\x7e]*", re.IGNORECASE)
_CHANGES_ECHO = re.compile(r"AT(?:.*E[01]?|.*Z\d?|.*&F\d?)", re.IGNORECASE)

# Commands whose parameters are a PIN, a password or what a SIM is asked (keys derive from it).
_SECRET = re.compile(
    r"(AT\+(?:CPIN|CPIN2|CLCK|CPWD|CGAUTH|QICSGP|CSIM|CRSM|CGLA|EPIN\w*)\s*=).*", re.IGNORECASE | re.DOTALL
)


def quote(text: str) -> str:
    """Return `text` as an AT string constant (V.250 5.4.2.2).

    Raises ValueError for quotes, backslashes, control characters and anything outside ASCII: they could
    end the string, and with it start a second command.
    """
    if not _PRINTABLE.fullmatch(text) or '"' in text or "\\" in text:
        raise ValueError("only printable ASCII without quotes and backslashes can be sent in an AT string")
    return f'"{text}"'


def check_command(command: str) -> str:
    """Return `command` if it is one AT line a channel may send; else raise ValueError.

    It starts with AT, is printable ASCII and at most COMMAND_LIMIT_CHARS long: it holds no line end,
    ESC or Ctrl-Z, which would start a second command or end a prompt.
    """
    if len(command) > COMMAND_LIMIT_CHARS:
        raise ValueError(f"AT line over {COMMAND_LIMIT_CHARS} characters")
    if not _COMMAND.fullmatch(command):
        raise ValueError("an AT line is AT and printable ASCII on one line")
    return command


def redact(command: str) -> str:
    """Return `command` fit for a log or an error: parameters that may be secret are left out."""
    return _SECRET.sub(r"\1<redacted>", command)


def changes_echo(command: str) -> bool:
    """True for commands after which the modem may or may not echo (ATE, ATZ, AT&F)."""
    basic = command.partition("+")[0]
    return _CHANGES_ECHO.fullmatch(basic) is not None


def dials(command: str) -> bool:
    """True for commands that CONNECT, NO CARRIER and their like answer (V.250 6.3, TS 27.007 10.1.12)."""
    upper = command.upper()
    return upper.startswith(("ATD", "ATA", "ATO", "AT+CGDATA"))
