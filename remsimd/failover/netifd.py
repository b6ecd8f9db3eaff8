"""The network device behind a logical interface of OpenWrt's netifd, asked over ubus."""

import json
import logging
import shutil

from remsimd.errors import RouteError
from remsimd.failover.command import run

_log = logging.getLogger(__name__)


async def device_of(interface: str) -> str | None:
    """The layer 3 device of a logical interface that is up; None when there is none, or no netifd.

    An interface whose protocol runs over another device (PPP, QMI with a multiplexed session)
    has a layer 3 device of another name than the modem's.
    """
    if shutil.which("ubus") is None:
        return None
    try:
        status, out, err = await run("ubus", "call", f"network.interface.{interface}", "status")
    except RouteError as error:
        _log.debug("interface %s: %s", interface, error)
        return None
    if status != 0:
        _log.debug("interface %s: ubus: %s", interface, err or f"exit status {status}")
        return None
    return parse(out)


def parse(text: str) -> str | None:
    """The `l3_device` of netifd's answer, else its `device`; None when the answer names none."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    found = answer.get("l3_device") or answer.get("device") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else None
