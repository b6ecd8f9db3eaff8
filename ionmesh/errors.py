"""What can go wrong in IonMesh.

IonmeshError
├── ConfigError               a setting is wrong; names the variable
├── SchemaNewer               the database is another version's; carries its revision and this one's
├── ServiceError              a request is refused; carries a machine-readable code
│   ├── InvalidRequest
│   ├── Unauthorized
│   │   ├── KeyRefused        carries the key's prefix and tenant
│   │   │   ├── KeyEnded
│   │   │   └── KeyMismatch
│   │   └── SignInRefused     carries the user whose address was given
│   ├── Forbidden
│   ├── NotFound
│   ├── Conflict
│   │   └── IdentityConflict
│   ├── TooManyRequests       carries the seconds to wait
│   └── NoSlot                carries the mapping modes that still have a free slot
├── AddressRefused            a name leads where the server does not go; carries both
└── RemsimServerError         osmo-remsim-server's REST did not do what was asked; carries its URL
    ├── RemsimServerUnreachable
    ├── RemsimServerRefused   carries the HTTP status
    └── RemsimServerGarbled
"""

# ruff: noqa: N818  the names say what happened, as in the tree above; `Error` would add nothing to them

from __future__ import annotations

from collections.abc import Sequence


class IonmeshError(Exception):
    """Root of every error raised by this package."""


class ConfigError(IonmeshError):
    """A setting has a value outside of what is allowed."""

    def __init__(self, variable: str, value: str, allowed: str) -> None:
        super().__init__(f"{variable}: {value!r} is not {allowed}")
        self.variable = variable
        self.value = value
        self.allowed = allowed


class SchemaNewer(IonmeshError):
    """A newer version upgraded the database: its revision is none this version knows."""

    def __init__(self, found: str, head: str) -> None:
        super().__init__(
            f"the schema of the database is at revision {found}, and this version knows none after {head}:"
            " a newer version upgraded it. Install that version, or restore the backup from before"
        )
        self.found = found
        self.head = head


class ServiceError(IonmeshError):
    """A request is refused; `code` is stable for programs, the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class InvalidRequest(ServiceError):
    """The request itself is wrong and stays wrong when repeated."""


class Unauthorized(ServiceError):
    """Nobody known is asking."""


class KeyRefused(Unauthorized):
    """A key is not good though its prefix is known; the caller is told no more than any other unknown one."""

    def __init__(self, prefix: str, tenant_id: int) -> None:
        super().__init__("unauthorized", "Unauthorized")
        self.prefix = prefix
        self.tenant_id = tenant_id


class KeyEnded(KeyRefused):
    """It was good once."""


class KeyMismatch(KeyRefused):
    """It never was: the secret behind the prefix is another one."""


class SignInRefused(Unauthorized):
    """A user's address with what does not let this user in; the caller is told no more than a stranger."""

    def __init__(self, user_id: int) -> None:
        super().__init__("unauthorized", "Unauthorized")
        self.user_id = user_id


class Forbidden(ServiceError):
    """The caller is known and may not do this."""


class NotFound(ServiceError):
    """The thing named does not exist, or belongs to another tenant."""


class Conflict(ServiceError):
    """The thing exists already, or is in use."""


class IdentityConflict(Conflict):
    """Another router already holds this client_id."""

    def __init__(self, message: str) -> None:
        super().__init__("identity_conflict", message)


class TooManyRequests(ServiceError):
    """The client or key asked too often."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("too_many_requests", "Too many requests")
        self.wait_s = wait_s


class NoSlot(ServiceError):
    """No slot is free for the demand; `available_modes` lists the mapping modes that have one."""

    def __init__(self, available_modes: Sequence[str]) -> None:
        super().__init__("no_slot", "No available slots for requested mapping mode")
        self.available_modes = tuple(available_modes)


class AddressRefused(IonmeshError):
    """None of the addresses behind a name may be connected to."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(f"{host} leads to {address}, which this server does not call")
        self.host = host
        self.address = address


class RemsimServerError(IonmeshError):
    """osmo-remsim-server's REST interface failed."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason


class RemsimServerUnreachable(RemsimServerError):
    """No answer: refused, timed out, cut off, or at an address that is no bank's."""


class RemsimServerRefused(RemsimServerError):
    """An HTTP status other than the one that means done."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(url, f"HTTP {status}")
        self.status = status


class RemsimServerGarbled(RemsimServerError):
    """An answer that is not the documented JSON."""
