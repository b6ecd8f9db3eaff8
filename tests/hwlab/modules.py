"""The kernel modules the lab needs, with those they need themselves, in the order to load them. Pure."""

import re
from collections.abc import Callable, Iterable

# 9p for the results, the virtual USB host, and the drivers that modems need.
WANTED = (
    "virtio_mmio",
    "9pnet_virtio",
    "9p",
    "gpio_keys",
    "vhci_hcd",
    "option",
    "qcserial",
    "cdc_acm",
    "rndis_host",
    "qmi_wwan",
)

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def load_order(names: Iterable[str], read: Callable[[str], bytes | None]) -> dict[str, bytes]:
    """The modules by name, each after those it depends on.

    `read` gives a module's file by its name, None for what is built into the kernel.
    """
    ordered: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in ordered or (content := read(name)) is None:
            return
        for needed in depends(content):
            add(needed)
        ordered[name] = content

    for name in names:
        add(name)
    return ordered


def depends(content: bytes) -> tuple[str, ...]:
    """What the module's own file says that it depends on (its .modinfo section)."""
    match = _DEPENDS.search(content)
    if match is None:
        raise ValueError("not a kernel module: it says nothing of what it depends on")
    return tuple(name.replace("-", "_") for name in match[1].decode().split(",") if name)
