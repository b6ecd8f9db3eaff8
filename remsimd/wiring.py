"""Which parts a configuration needs, what each is made from, and how they are connected.

A part is rebuilt on reload when its key changed; the key of a part that uses another one
contains that one's key, so that nothing keeps talking to a stopped part.
"""

import platform
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from remsimd import __version__
from remsimd.assignment import Assignment, Endpoint
from remsimd.bus import Bus
from remsimd.config.model import Config, FrontendConfig, FrontendType, ModemConfig, Role, Routing, SimSource
from remsimd.errors import RemsimError
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.links import Netlink
from remsimd.failover.probe import SocketProber
from remsimd.failover.routes import Mwan3Routing, NoRouting, PolicyRouting, RoutingBackend
from remsimd.failover.via import choose_device
from remsimd.finder import find_ports
from remsimd.net import open_tcp
from remsimd.netifd import redial
from remsimd.observe.metrics import MetricsServer
from remsimd.orchestrator.client import OrchestratorClient
from remsimd.poller import ModemLife
from remsimd.rspro.client import RsproClient
from remsimd.sim.frontend import Card, Frontend
from remsimd.sim.frontends.shell import ShellFrontend
from remsimd.sim.gpio import Lines
from remsimd.sim.journal import Journal
from remsimd.sim.slot import SimSlot
from remsimd.sim.switch import SimSwitch
from remsimd.state import Store
from remsimd.supervisor import Part, Supervisor
