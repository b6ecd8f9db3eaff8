"""netifd, OpenWrt's network daemon: logical interfaces, and dialling again.

On a machine without it an interface name is a network device and there is nothing to dial.
"""

import asyncio
import json
import logging
import shutil
from pathlib import Path

log = logging.getLogger(__name__)

SYS_CLASS_NET = Path("/sys/class/net")


async def device_of(interface: str) -> str | None:
    """The network device behind a logical interface or device name; None while it has none."""
    if (SYS_CLASS_NET / interface).exists():
        return interface
    status = await _output("ubus", "call", f"network.interface.{interface}", "status")
    if status is None:
        return None
    answer = json.loads(status)
    device = answer.get("l3_device") or answer.get("device")
    return device if isinstance(device, str) else None


async def redial(interface: str) -> None:
    """Make netifd bring the interface up anew, so that a new SIM gets its own session."""
    if await _output("ifup", interface) is None:
        log.debug("no ifup for %s: its session is not ours to dial", interface)


async def _output(*argv: str) -> str | None:
    if shutil.which(argv[0]) is None:
        return None
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    stdout, _ = await process.communicate()
    return stdout.decode(errors="replace") if process.returncode == 0 else None
