"""Who sends web pushes: the server's VAPID key (RFC 8292), made at first use and kept in the database."""

from __future__ import annotations

import base64
from datetime import timedelta
from urllib.parse import urlsplit

from ionmesh.clock import Clock
from ionmesh.config import Config
from ionmesh.db import Database
from ionmesh.services import vault

_NAME = "vapid"
# RFC 8292, 2: at most a day.
_TOKEN_LIFE = timedelta(hours=12)


class Vapid:
    """The key of one server. Nothing is read or made before it is asked for."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock
        self._private: str | None = None

    def public_key(self) -> str:
        """Return what browsers subscribe with: the uncompressed point, base64url (`applicationServerKey`)."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from py_vapid import Vapid02  # type: ignore[import-untyped]  # ships no type information

        key = Vapid02.from_raw(self._key().encode()).public_key
        return _text(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def authorization(self, endpoint: str) -> str:
        """Return the header `Authorization` for a push service. Raises Conflict as `sealing.unseal`."""
        from py_vapid import Vapid02

        parts = urlsplit(endpoint)
        claims = {
            "aud": f"{parts.scheme}://{parts.netloc}",
            "sub": contact(self._config.public_url),
            "exp": int((self._clock() + _TOKEN_LIFE).timestamp()),
        }
        header = Vapid02.from_raw(self._key().encode()).sign(claims)["Authorization"]
        return str(header)

    def _key(self) -> str:
        if self._private is None:
            pepper = self._config.key_pepper
            with self._database.read() as session:
                self._private = vault.recall(session, _NAME, pepper)
        if self._private is None:
            with self._database.write() as session:
                self._private = vault.obtain(session, _NAME, _new_key, pepper, self._clock())
        return self._private


def contact(public_url: str | None) -> str:
    """Return where a push service may write to (RFC 8292, 2.1): the server's site, as well as it is known."""
    parts = urlsplit(public_url or "")
    host = parts.hostname if parts.hostname and "." in parts.hostname else "localhost"
    return f"https://{host}" if parts.scheme == "https" else f"mailto:ionmesh@{host}"


def _new_key() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _text(number.to_bytes(32, "big"))


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
