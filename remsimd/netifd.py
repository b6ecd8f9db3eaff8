"""netifd, OpenWrt's network daemon: logical interfaces, and dialling again.

On a machine without it an interface name is a network device and there is nothing to dial.
"""

import asyncio
import json
import logging
import shutil
from pathlib import Path

from remsimd.errors import RouteError
from remsimd.failover.command import run

log = logging.getLogger(__name__)

SYS_CLASS_NET = Path("/sys/class/net")
LIMIT_S = 5.0
"""ubus answers within milliseconds; a netifd that hangs must not hang us."""


async def device_of(interface: str) -> str | None:
    """The network device behind a logical interface or device name; None while it has none."""
    if (SYS_CLASS_NET / interface).exists():
        return interface
    status = await _output("ubus", "call", f"network.interface.{interface}", "status")
    if status is None:
        return None
    try:
        answer = json.loads(status)
    except ValueError:
        log.debug("netifd's answer about %s is not JSON: %.80r", interface, status)
        return None
    if not isinstance(answer, dict):
        return None
    device = answer.get("l3_device") or answer.get("device")
    return device if isinstance(device, str) else None


class DeviceNames:
    """Devices by interface, asked for without waiting: what netifd told last, looked up behind the back."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}
        self._asked: dict[str, asyncio.Task[None]] = {}

    def of(self, interface: str) -> str | None:
        """The device as far as it is known now; each question makes the next answer fresh."""
        if (SYS_CLASS_NET / interface).exists():
            return interface
        if interface not in self._asked:
            self._asked[interface] = asyncio.create_task(self._ask(interface))
        return self._known.get(interface)

    async def _ask(self, interface: str) -> None:
        try:
            self._known[interface] = await device_of(interface)
        finally:
            del self._asked[interface]


async def redial(interface: str) -> None:
    """Make netifd bring the interface up anew, so that a new SIM gets its own session."""
    if await _output("ifup", interface) is None:
        log.debug("no ifup for %s: its session is not ours to dial", interface)


async def _output(*argv: str) -> str | None:
    """What a program prints; None when it is not there, fails, or takes longer than the limit."""
    if shutil.which(argv[0]) is None:
        return None
    try:
        status, out, err = await run(*argv, limit_s=LIMIT_S)
    except RouteError as error:
        log.warning("%s", error)
        return None
    if status != 0:
        log.debug("%s: %s", " ".join(argv), err)
        return None
    return out
