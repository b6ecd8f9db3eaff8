"""Which remote card this router uses, and where it is reached."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP endpoint; `host` is a name or an address, `port` 1..65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One remote card, by RSPRO identity and endpoints.

    `client_id`/`client_slot` are what we announce ourselves as, `bank_id`/`slot_id` the card's
    place; all 0..1023. Bank and slot are None until the server names them. `iccid` and `imsi`
    are what the modem is expected to read, None where nobody said. At least one of `server`
    and `bankd` is set.
    """

    client_id: int
    client_slot: int
    bank_id: int | None = None
    slot_id: int | None = None
    server: Endpoint | None = None
    bankd: Endpoint | None = None
    iccid: str | None = None
    imsi: str | None = None
    mapping_mode: str | None = None
    profile_id: str | None = None
    version: int | None = None
