"""A browser that wants to be told, and the push service in front of it, on the loopback."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_AUTH = b"0123456789abcdef"

ELSEWHERE = {
    "endpoint": "https://push.example.com/send/abc",
    # The browser's keys in the example of RFC 8291, appendix A.
    "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    "auth": "BTBZMqHH6r4Tts7J_aSIgg",
}
"""A subscription nobody sends to."""


def text(raw: bytes) -> str:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """Keeps what was sent to it and answers with one status; it alone can read the messages."""

    def __init__(self) -> None:
        self.status = 201
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.arrived = threading.Event()
        self._key = ec.generate_private_key(ec.SECP256R1())
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.received.append(({k.lower(): v for k, v in self.headers.items()}, body))
                owner.arrived.set()
                self.send_response(owner.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it so
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self.origin = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def subscription(self) -> dict[str, Any]:
        """Return what its PushManager would say."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"endpoint": f"{self.origin}/send/abc", "p256dh": text(point), "auth": text(_AUTH)}

    def message(self) -> dict[str, Any]:
        """Decrypt the latest message (RFC 8291)."""
        headers, body = self.received[-1]
        assert headers["content-encoding"] == "aes128gcm"
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=_AUTH, version="aes128gcm")
        document = json.loads(plain)
        assert isinstance(document, dict)
        return document
