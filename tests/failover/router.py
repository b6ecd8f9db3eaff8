"""A program for the router's namespace: the failover engine alone, told and heard in JSON lines.

Arguments: a JSON object of FailoverConfig fields, and the links as NAME=DEVICE in order of
preference. Each event is printed with the steady clock's time; a line on stdin is either
{"modem": NAME, "registration": STATE}, {"to": NAME}, {"auto": true} or {"explain": true}.
"""

import asyncio
import dataclasses
import json
import logging
import sys
import time
from typing import Any

from modems.facts import Registration, RegistrationState
from remsimd.bus import Bus, Stamped
from remsimd.config.model import FailoverConfig, ProbeKind, ProbeTarget, SecondaryCarries
from remsimd.errors import ControlError
from remsimd.events import Event, RegistrationRead
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.failover.links import Netlink
from remsimd.failover.probe import NetworkProber
from remsimd.failover.routes import OWN_TABLES, PolicyRouting


def tell(kind: str, **fields: Any) -> None:
    sys.stdout.write(json.dumps({"kind": kind, "at_s": time.monotonic(), **fields}) + "\n")
    sys.stdout.flush()


def hear(stamped: Stamped) -> None:
    tell(type(stamped.event).__name__, **dataclasses.asdict(stamped.event))


async def obey(engine: FailoverEngine, bus: Bus, line: str) -> None:
    order = json.loads(line)
    if "registration" in order:
        state = RegistrationState(order["registration"])
        event: Event = RegistrationRead(order["modem"], Registration(state))
        bus.publish(event)
    elif "to" in order or "auto" in order:
        try:
            await (engine.to(order["to"]) if "to" in order else engine.auto())
            tell("done")
        except ControlError as error:
            tell("refused", reason=str(error))
    elif "explain" in order:
        tell("explanation", explanation=engine.explain())


async def main(options: dict[str, Any], links: list[str]) -> None:
    options["secondary_carries"] = SecondaryCarries(options.get("secondary_carries", "auto"))
    options["targets"] = tuple(ProbeTarget(ProbeKind.ICMP, host) for host in options["targets"])
    bus = Bus()
    named = [link.partition("=") for link in links]
    engine = FailoverEngine(
        FailoverConfig(**options),
        [
            LinkConfig(name, device or None, priority=-place, metered=place > 0)
            for place, (name, _, device) in enumerate(named)
        ],
        routing=PolicyRouting(),
        prober=NetworkProber(),
        netlink=Netlink(OWN_TABLES),
        publish=bus.publish,
    )
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with bus.listen(hear), bus.listen(engine.on_event):
        work = asyncio.create_task(engine.run())
        while line := await reader.readline():
            await obey(engine, bus, line.decode())
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2:]))
