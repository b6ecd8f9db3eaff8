"""The kernel's own news of devices that come and go: the uevent netlink socket.

The kernel sends it whether or not a udevd runs; on a router there is none, and libudev's monitor is mute.
One datagram an event: "add@/devices/..." and then KEY=value strings, NUL after each.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

NETLINK_KOBJECT_UEVENT = 15
KERNEL_GROUP = 1
"""Group 1 is the kernel's; a udevd repeats events for its own listeners in group 2."""
DATAGRAM_BYTES = 8192  # the kernel's own buffer for one event is 2 KiB
KERNEL_PORT = 0


@dataclass(frozen=True, slots=True)
class Uevent:
    """What happened (`action`: add, remove, bind, change ...) to which device (`devpath`, below /sys)."""

    action: str
    devpath: str
    subsystem: str


def parse(datagram: bytes) -> Uevent | None:
    """Read one datagram; None for what is not the kernel's event, such as libudev's own."""
    head, *pairs = datagram.rstrip(b"\0").split(b"\0")
    values = dict(pair.decode("utf-8", "replace").split("=", 1) for pair in pairs if b"=" in pair)
    action, at, devpath = head.decode("utf-8", "replace").partition("@")
    if not at or values.get("ACTION") != action or values.get("DEVPATH") != devpath:
        return None
    return Uevent(action, devpath, values.get("SUBSYSTEM", ""))


def open_socket() -> socket.socket:
    """Subscribe to the kernel's events; raises OSError where that is not allowed, as in some containers."""
    opened = socket.socket(
        socket.AF_NETLINK,
        socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
        NETLINK_KOBJECT_UEVENT,
    )
    try:
        opened.bind((0, KERNEL_GROUP))
    except OSError:
        opened.close()
        raise
    return opened


@asynccontextmanager
async def uevents(
    on_event: Callable[[Uevent], None],
    *,
    on_loss: Callable[[], None],
    open_source: Callable[[], socket.socket] = open_socket,
) -> AsyncIterator[None]:
    """Call `on_event` for every event during the block, `on_loss` when there were too many to be kept.

    Neither may raise. Raises OSError where the socket cannot be opened.
    """
    source = open_source()
    loop = asyncio.get_running_loop()

    def receive() -> None:
        try:
            datagram, sender = source.recvfrom(DATAGRAM_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("uevents were lost: %s", os.strerror(error.errno or 0))
            on_loss()
            return
        # Any program with the right may send into the group: only the kernel itself is believed.
        if source.family == socket.AF_NETLINK and sender[0] != KERNEL_PORT:
            return
        if (event := parse(datagram)) is not None:
            on_event(event)

    loop.add_reader(source, receive)
    try:
        yield
    finally:
        loop.remove_reader(source)
        source.close()
