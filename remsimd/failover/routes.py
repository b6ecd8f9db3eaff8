"""Moving the data: the only place of the daemon that changes routes and rules.

remsimd's own rules come before the main table's and use two tables of its own:

    PREFERENCE      everything but a default route is looked up in main as ever
    PREFERENCE + 1  forwarded traffic: what must not leave is refused here (GATE_TABLE)
    PREFERENCE + 2  the default route over the active link (ROUTE_TABLE)

The main table is not touched: without the rules the router routes as its own configuration says.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from remsimd.errors import RouteError
from remsimd.failover.links import Hop

_log = logging.getLogger(__name__)

PREFERENCE = 980
ROUTE_TABLE = 980
GATE_TABLE = 981
_COMMAND_LIMIT_S = 10.0
_IPV6_PRESENT = Path("/proc/net/if_inet6")
_DEFAULT = {"-4": "0.0.0.0/0", "-6": "::/0"}


@dataclass(frozen=True, slots=True)
class Path_:
    pass
