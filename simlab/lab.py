"""Everything a router needs around it, running: bank, orchestrator, modems, network, and the router.

The real programs run as processes of their own; the modems, the GPIO chip and the home
network run in the process that uses the lab. As root, router and servers stand in network
namespaces with two carriers between them; otherwise everything is on loopback and the router
only decides which link it would use.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from modems.transcript import parse
from simlab.bank.auc import Auc
from simlab.bank.cards import CardData, as_json, generate
from simlab.config import router_config
from simlab.control import POLL_S, RemsimdControl
from simlab.gpio import MemoryChip, served
from simlab.links import PROBE_ADDRESSES, SERVICE_ADDRESS, World
from simlab.modems.emulator import EmulatedModem, load_script
from simlab.modems.remote_sim import RemoteSim
from simlab.modems.sim import Authentication, LocalSim, ModemSim, SimFailure
from simlab.modems.state import Timing
from simlab.namespaces import obstacle
from simlab.process import Program, Told, run_once

BANK_ID = 1
CARD_COUNT = 8
MODEM_TIMING = Timing(
    answer_s=0.005, piece_bytes=24, piece_s=0.0005, card_s=0.05, attach_s=0.1, restart_s=0.3
)

EDGE_OF_THE_CELL = parse("""
[registered-edge]
> AT+CSQ
< +CSQ: 2,99
< OK
> AT+QENG="servingcell"
< +QENG: "servingcell","NOCONN","LTE","FDD",{mcc},{mnc},1A2B303,187,1350,3,5,5,2D0D,-124,-19,-105,0,-
< OK
""")
"""What a Quectel modem on LTE reads where there is hardly any signal."""


@dataclass(frozen=True, slots=True)
class Challenged:
    """What came of one challenge of the home network; `agreed` is its own comparison."""

    imsi: str
    rand: bytes
    res: bytes
    agreed: bool


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen; the well-known ports inside namespaces, free ones on loopback."""

    server: int
    rest: int
    bankd: int
    ionmesh: int
    metrics: int


@dataclass
class Lab:
    """A running lab; made by `Lab.create`, which also ends everything.

    `settings` are UCI lines put at the end of the router's configuration file, so that they
    override what the lab writes itself.
    """

    folder: Path
    world: World | None
    settings: str = ""
    cards: tuple[CardData, ...] = ()
    challenged: list[Challenged] = field(default_factory=list)
    chip: MemoryChip = field(default_factory=MemoryChip)
    api_key: str = ""
    _pins: asyncio.Task[None] | None = None
    _remote: RemoteSim | None = None
    _programs: dict[str, Program] = field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def create(
        cls, folder: Path, *, namespaces: bool, prefix: str = "remsim-lab", settings: str = ""
    ) -> AsyncIterator[Self]:
        """A lab in `folder` with everything but the router running. Raises LabError, ProgramError."""
        folder.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            world = await stack.enter_async_context(World.create(prefix)) if namespaces else None
            lab = cls(folder, world, settings)
            await lab._build(stack)
            yield lab

    async def _build(self, stack: contextlib.AsyncExitStack) -> None:
        # Slot 0 is not assignable: the fielded C client takes it for "no slot".
        self.cards = tuple(replace(card, slot=card.slot + 1) for card in generate(CARD_COUNT, seed=7))
        (self.folder / "cards.json").write_text(json.dumps([as_json(card) for card in self.cards]))
        self.auc = Auc(self.cards)
        self._forger = Auc([replace(card, opc=card.opc[::-1]) for card in self.cards])
        self._forging = False
        self._known = {card.imsi for card in self.cards}
        stack.push_async_callback(self._end_programs)
        self.remsimd = RemsimdControl(self.control_socket, self.folder / "remsimd.log")
        self._ports = Ports(9998, 9997, 9999, 5000, 9090) if self.world else Ports(0, 0, 0, 0, free_port())
        await self._start_servers()
        await stack.enter_async_context(served(self.chip, self.folder / "gpio.sock"))
        self.primary = await stack.enter_async_context(self._modem("quectel-rm500q", "ttyRM500Q"))
        self.secondary = await stack.enter_async_context(self._modem("quectel-ec25", "ttyEC25"))
        self._local = LocalSim("8949020000000000101", "001010000000101")
        self.primary.set_sim(self._local)
        self.secondary.set_sim(LocalSim("8949020000000000202", "001010000000202"))
        self.chip.watch("sim1", self._mux_moved)

    async def _end_programs(self) -> None:
        if self._pins is not None:
            self._pins.cancel()
        for program in reversed(self._programs.values()):
            await program.end()

    @property
    def bank(self) -> Program:
        """The SIM bank: osmo-remsim's server and bankd in one."""
        return self._programs["bank"]

    @property
    def ionmesh(self) -> Program:
        """The orchestrator."""
        return self._programs["ionmesh"]

    @property
    def router(self) -> Program:
        """remsimd; there is one from the first `start_router` on."""
        return self._programs["router"]

    # Where things are

    @property
    def host(self) -> str:
        """The address of every server, as the router sees it."""
        return "127.0.0.1" if self.world is None else SERVICE_ADDRESS

    @property
    def control_socket(self) -> Path:
        """The router's control socket."""
        return self.folder / "run" / "control.sock"

    @property
    def ionmesh_url(self) -> str:
        """IonMesh as the router reaches it."""
        return f"http://{self.host}:{self._ports.ionmesh}"

    @property
    def metrics_port(self) -> int:
        """The port of /metrics on the router's loopback."""
        return self._ports.metrics

    def outside(self, argv: list[str]) -> list[str]:
        """A command line for where the servers are."""
        return argv if self.world is None else self.world.exec_world(argv)

    def inside(self, argv: list[str]) -> list[str]:
        """A command line for the router."""
        return argv if self.world is None else self.world.exec(argv)

    # The bank and the orchestrator

    async def start_bank(self) -> None:
        """Start the bank; a second time on the same ports, and without the slot maps of the first."""
        ports = self._ports
        argv = [sys.executable, "-m", "simlab.bank", "--listen", self.host, "--bank-id", str(BANK_ID)]
        argv += ["--server-port", str(ports.server), "--rest-port", str(ports.rest)]
        argv += ["--bankd-port", str(ports.bankd), "--cards", str(self.folder / "cards.json")]
        bank = Program("the bank", self.outside(argv), self.folder / "bank.log")
        self._programs["bank"] = bank
        ready = json.loads(await bank.start(ready="{"))
        self._ports = replace(
            ports, server=ready["server_port"], rest=ready["rest_port"], bankd=ready["bankd_port"]
        )

    async def _start_servers(self) -> None:
        """Start bank and orchestrator, which loads its libraries until the bank's ports are known."""
        bank = asyncio.create_task(self.start_bank())

        async def commands() -> str:
            await bank
            return "".join(json.dumps(command) + "\n" for command in self._ionmesh_set_up())

        await self._run_ionmesh([sys.executable, "-m", "simlab.ionmesh"], commands)
        self.api_key = (self.folder / "api-key").read_text().strip()

    async def start_ionmesh(self) -> None:
        """Start the orchestrator again, on the same port and database."""
        program = str(Path(sys.executable).with_name("ionmesh"))
        await self._run_ionmesh([program, "run", *self._listening, *self._database])

    async def _run_ionmesh(self, argv: list[str], commands: Told | None = None) -> None:
        env = {"IONMESH_HEARTBEAT_INTERVAL_S": "10", "IONMESH_RECONCILE_INTERVAL_S": "2"}
        ionmesh = Program("ionmesh", self.outside(argv), self.folder / "ionmesh.log", env=env)
        self._programs["ionmesh"] = ionmesh
        line = await ionmesh.start(ready="listening on", told=commands)
        self._ports = replace(self._ports, ionmesh=int(line.rpartition(":")[2].rstrip("/")))

    @property
    def _listening(self) -> list[str]:
        return ["--host", self.host, "--port", str(self._ports.ionmesh)]

    @property
    def _database(self) -> list[str]:
        return ["--database", f"sqlite:///{self.folder / 'ionmesh.db'}"]

    def _ionmesh_set_up(self) -> Iterator[dict[str, Any]]:
        """Tenant, key, bank and cards, then the server itself; commands as `simlab.ionmesh` takes them."""

        def command(*words: str, output: Path | None = None) -> dict[str, Any]:
            return {"words": [*words, *self._database], "output": None if output is None else str(output)}

        ports = self._ports
        yield command("tenant", "create", "demo")
        yield command("key", "create", "--tenant", "demo", output=self.folder / "api-key")
        bank = ["--bankd", f"{self.host}:{ports.bankd}", "--server", f"{self.host}:{ports.server}"]
        bank += ["--remsim-server", f"http://{self.host}:{ports.rest}"]
        yield command("bank", "add", str(BANK_ID), *bank)
        slots = ["--bank", str(BANK_ID), "--slots", f"1-{CARD_COUNT}", "--mcc-mnc", "00101"]
        for card in self.cards:
            slots += ["--iccid", card.iccid, "--imsi", card.imsi]
        yield command("slot", "add", *slots)
        yield command("run", *self._listening)

    # The modems and the home network

    def _modem(self, script: str, tty: str) -> EmulatedModem:
        known = load_script(script)
        known = replace(known, sections={**known.sections, **EDGE_OF_THE_CELL.sections})
        return EmulatedModem(known, self.folder / tty, attach=self._attach, timing=MODEM_TIMING)

    def forge_challenges(self, wrong: bool) -> None:
        """Whether the home network, or who claims to be it, challenges the bank's cards with a wrong OPc."""
        self._forging = wrong

    def set_secondary_at_edge(self, edge: bool) -> None:
        """Whether the secondary modem stands at the edge of its cell."""
        self.secondary.set_service("edge" if edge else "")

    def _mux_moved(self, remote: bool) -> None:
        """The primary's SIM pins now lead to its own slot, or to the frontend."""
        if self._pins is not None:
            self._pins.cancel()
        self._pins = asyncio.create_task(self._remote_pins()) if remote else None
        self.primary.set_sim(None if remote else self._local)

    async def _remote_pins(self) -> None:
        """Give the modem the card behind the frontend, whenever there is one."""
        while True:
            with contextlib.suppress(SimFailure):
                async with RemoteSim(self.folder / "run" / "shell-primary.sock") as sim:
                    self._remote = sim
                    self.primary.set_sim(sim)
                    while not sim.gone:
                        await asyncio.sleep(POLL_S)
            self.primary.set_sim(None)
            await asyncio.sleep(POLL_S)

    async def _attach(self, sim: ModemSim) -> bool:
        """What the home network does: challenge a card of the bank, let the others in."""
        imsi = await sim.read_imsi()
        if imsi not in self._known:
            return True
        for _ in range(2):
            challenge = (self._forger if self._forging else self.auc).challenge(imsi)
            answer = await sim.authenticate(challenge.rand, challenge.autn)
            if isinstance(answer, Authentication):
                agreed = (answer.res, answer.ck, answer.ik) == (challenge.xres, challenge.ck, challenge.ik)
                self.challenged.append(Challenged(imsi, challenge.rand, answer.res, agreed))
                return agreed
            if not self.auc.resynchronise(imsi, challenge.rand, answer.auts):
                return False
        return False

    async def challenge_again(self) -> bool:
        """Challenge the primary's remote card while it is attached, as networks do now and then.

        Whether they agreed; a card that gives no answer did not.
        """
        if self._remote is None:
            return False
        try:
            return await self._attach(self._remote)
        except SimFailure:
            return False

    # The router

    async def start_router(self, *, config: str | None = None) -> None:
        """Start remsimd, with the lab's own configuration or another; returns when it answers."""
        if "router" in self._programs:
            await self.router.end()
        self.write_config(self.config() if config is None else config)
        argv = [sys.executable, "-m", "simlab.router", "--config", str(self.folder / "remsim")]
        argv += ["--run-dir", str(self.folder / "run"), "--gpio", str(self.folder / "gpio.sock")]
        router = Program("remsimd", self.inside(argv), self.folder / "remsimd.log")
        self._programs["router"] = router
        await router.start(ready="starts with")
        await self.remsimd.until(lambda status: True, "the control socket answers")

    def write_config(self, text: str) -> None:
        """Replace the router's configuration file."""
        (self.folder / "remsim").write_text(text)

    def config(self) -> str:
        """The router's configuration as UCI text."""
        return router_config(
            self.folder,
            ionmesh_url=self.ionmesh_url,
            metrics_port=self._ports.metrics,
            probes=PROBE_ADDRESSES,
            data=self.world is not None,
            settings=self.settings,
        )

    async def default_route(self) -> str:
        """The device that the router's data leaves through, as its kernel decides."""
        if self.world is None:
            return ""
        route = await run_once(self.inside(["ip", "-json", "route", "get", PROBE_ADDRESSES[0]]))
        device: str = json.loads(route)[0]["dev"]
        return device


def namespaces_possible() -> bool:
    """Whether a lab here can have network namespaces."""
    return obstacle() is None


def free_port() -> int:
    """A TCP port of loopback that nobody uses at the moment."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
