"""Keeping secrets that must be had back: encrypted with a key made from the server's pepper.

The database alone, or a copy of it, then gives nothing away. A server without a pepper keeps them as they
are; what was kept so stays readable when there is a pepper later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from ionmesh.errors import Conflict

_PLAIN = "plain:"
_SEALED = "aes256gcm:"
_NONCE_BYTES = 12
_PURPOSE = b"ionmesh sealed secrets"


def seal(text: str, pepper: str) -> str:
    """Return the text as it is kept; `pepper` empty: readable."""
    if not pepper:
        return _PLAIN + text
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = nonce + AESGCM(_key(pepper)).encrypt(nonce, text.encode(), None)
    return _SEALED + base64.urlsafe_b64encode(sealed).decode()


def is_readable(kept: str) -> bool:
    """Whether what `seal` returned shows the text, as there was no pepper."""
    return kept.startswith(_PLAIN)


def unseal(kept: str, pepper: str) -> str:
    """Return what `seal` was given. Raises Conflict when that was with another pepper."""
    if is_readable(kept):
        return kept.removeprefix(_PLAIN)
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = base64.urlsafe_b64decode(kept.removeprefix(_SEALED))
    try:
        text = AESGCM(_key(pepper)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
    except InvalidTag as error:
        raise Conflict("sealed_otherwise", "a stored secret was sealed with another key pepper") from error
    return text.decode()


def _key(pepper: str) -> bytes:
    return hmac.new(pepper.encode(), _PURPOSE, hashlib.sha256).digest()
