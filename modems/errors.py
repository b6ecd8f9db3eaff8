"""Everything that can go wrong between this package and a modem.

    ModemError
      AtError       the modem answered the command with an error
      AtTimeout     the modem did not answer the command in time
      PortGone      the port vanished: modem unplugged, reset or powered off
      PortBusy      another program holds the port
      ParseError    the modem answered something that is not of the expected shape
      Unsupported   this modem cannot do what was asked
      NotApplied    the modem said yes and did not do it

Commands in these errors are redacted (see `modems.at.command.redact`), so they are safe to log.
Asking for something impossible, such as a command with a line end in it, raises ValueError.
"""


class ModemError(Exception):
    """Root of every error this package raises on its own account."""


class AtError(ModemError):
    """The modem refused `command` with the final result `line`.

    `code` is the +CME/+CMS number when one is known, `text` its name.
    """

    def __init__(self, command: str, code: int | None, text: str, line: str) -> None:
        super().__init__(command, code, text, line)
        self.command = command
        self.code = code
        self.text = text
        self.line = line

    def __str__(self) -> str:
        number = "" if self.code is None else f" ({self.code})"
        return f"{self.command}: {self.text}{number}"


class AtTimeout(ModemError):  # noqa: N818 - named after what happened, as the other errors of the tree are
    """The modem gave no final result to `command` within `timeout_s`."""

    def __init__(self, command: str, timeout_s: float) -> None:
        super().__init__(command, timeout_s)
        self.command = command
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"{self.command}: no answer within {self.timeout_s:g} s"


class PortGone(ModemError):  # noqa: N818 - see AtTimeout
    """The port does not exist any more, or never did; `reason` is the operating system's word for it."""

    def __init__(self, port: str, reason: str = "") -> None:
        super().__init__(port, reason)
        self.port = port
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.port} is gone" + (f": {self.reason}" if self.reason else "")


class PortBusy(ModemError):  # noqa: N818 - see AtTimeout
    """Another program holds the port: two readers on one AT port steal each other's answers."""

    def __init__(self, port: str) -> None:
        super().__init__(port)
        self.port = port

    def __str__(self) -> str:
        return f"{self.port} is held by another program"


class ParseError(ModemError):
    """`text` is not a `what`; the modem's firmware speaks a layout nobody has recorded yet."""

    def __init__(self, what: str, text: str) -> None:
        super().__init__(what, text)
        self.what = what
        self.text = text

    def __str__(self) -> str:
        return f"not a {self.what}: {self.text!r}"


class Unsupported(ModemError):  # noqa: N818 - see AtTimeout
    """`model` has no way to do `what`; asking again will not help."""

    def __init__(self, model: str, what: str) -> None:
        super().__init__(model, what)
        self.model = model
        self.what = what

    def __str__(self) -> str:
        return f"{self.model} does not support {self.what}"


class NotApplied(ModemError):  # noqa: N818 - see AtTimeout
    """The modem accepted `what`, and when read back it is `found` and not `wanted`."""

    def __init__(self, what: str, wanted: object, found: object) -> None:
        super().__init__(what, wanted, found)
        self.what = what
        self.wanted = wanted
        self.found = found

    def __str__(self) -> str:
        return f"{self.what} was accepted as {self.wanted} and reads back as {self.found}"
