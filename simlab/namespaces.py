"""Network namespaces of Linux: whether there can be any, and work inside one (man 7 network_namespaces)."""

import ctypes
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NETNS_FOLDER = Path("/run/netns")
"""Where `ip netns` keeps them by name."""
TUN = Path("/dev/net/tun")
_CLONE_NEWNET = 0x40000000


def obstacle() -> str | None:
    """Why there can be none with TUN devices here, None where there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need the ip command (package iproute2)"
    if not TUN.exists():
        return f"the lab's links need TUN devices ({TUN})"
    try:
        _in_thread(lambda: _kernel("unshare", _CLONE_NEWNET))
    except OSError as error:
        return f"network namespaces cannot be made here: {error.strerror}"
    return None


def inside(namespace: str, make: Callable[[], T]) -> T:
    """Call `make` in a namespace from a thread that ends afterwards; what it raises is raised here.

    Only the network is the namespace's: /sys still shows the caller's devices.
    """

    def work() -> T:
        with (NETNS_FOLDER / namespace).open("rb") as handle:
            _kernel("setns", handle.fileno(), _CLONE_NEWNET)
        return make()

    return _in_thread(work)


def _in_thread(work: Callable[[], T]) -> T:
    """A namespace is a thread's own, so whoever changes it does so in one that ends."""
    result: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the calling thread as it is
            failure.append(error)

    thread = threading.Thread(target=run, name="in-namespace")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def _kernel(call: str, *numbers: int) -> None:
    """setns or unshare, which Python has from 3.12 on; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*numbers) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
