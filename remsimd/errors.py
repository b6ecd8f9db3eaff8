"""The errors of the daemon.

RemsimError
├── ConfigError        the configuration cannot be used; carries every mistake found
├── RsproError         bytes that are not RSPRO, or a peer that breaks the protocol
├── CardError          the remote card gave no answer to a TPDU
├── FrontendError      the device that presents the card to the modem failed
├── GpioError          a GPIO line cannot be found, requested or driven
├── SwitchError        a SIM switch ended somewhere else than wanted
├── RouteError         the kernel refused a route, rule or link operation
├── OrchestratorError  IonMesh refused or could not be reached
└── ControlError       a control request that cannot be served
"""

from dataclasses import dataclass


class RemsimError(Exception):
    """Root of everything the daemon raises on purpose."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a configuration: where, what was found, what is allowed."""

    section: str
    option: str | None
    value: str | None
    problem: str
    line: int | None = None

    def __str__(self) -> str:
        where = self.section if self.option is None else f"{self.section}.{self.option}"
        found = "" if self.value is None else f" = {self.value!r}"
        at = "" if self.line is None else f" (line {self.line})"
        return f"{where}{found}: {self.problem}{at}"


class ConfigError(RemsimError):
    """A configuration that cannot be used."""

    def __init__(self, path: str, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__(f"{path}: " + "; ".join(str(mistake) for mistake in mistakes))
        self.path = path
        self.mistakes = mistakes


class RsproError(RemsimError):
    """Bytes that are not RSPRO, or a peer that breaks the protocol."""


class CardError(RemsimError):
    """The remote card gave no answer to a TPDU."""


class FrontendError(RemsimError):
    """The device that presents the card to the modem failed."""


class GpioError(RemsimError):
    """A GPIO line cannot be found, requested or driven."""


class SwitchError(RemsimError):
    """A SIM switch ended somewhere else than wanted."""


class RouteError(RemsimError):
    """The kernel refused a route, rule or link operation."""


class OrchestratorError(RemsimError):
    """IonMesh refused a call or could not be reached.

    `status` is the HTTP status, None where no answer came; `code` the machine-readable
    reason of the error body, or a name for the failure (timeout, connect, tls, protocol).
    """

    def __init__(self, message: str, *, status: int | None = None, code: str = "unknown") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ControlError(RemsimError):
    """A control request that cannot be served; the text is for the person who asked."""
