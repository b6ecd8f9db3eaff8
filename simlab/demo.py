"""The main job, told as it happens: a bank's card becomes a router's SIM, and data survives a fault."""

import argparse
import asyncio
import contextlib
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.markup import escape

from remsimd.config.model import GpioLine
from simlab.lab import Lab, namespaces_possible
from simlab.links import LabError
from simlab.modems.state import ModemState
from simlab.process import ProgramError
from simlab.stage import ENDINGS, Interrupt, StageError, claimed, new_folder, single_keys, sweep
from simlab.story import Story

SIM_LINE = GpioLine(name="sim1")


async def start(lab: Lab, story: Story) -> None:
    """From nothing to a registered router."""
    host = lab.host
    story.tell("bank", f"{len(lab.cards)} cards in slots 1-{len(lab.cards)}, server and bankd at {host}")
    story.tell("ionmesh", f"orchestrator at {lab.ionmesh_url}, tenant demo, one API key")
    await lab.start_router()
    story.tell("remsimd", f"running, configuration {lab.folder / 'remsim'}")
    for name in ("primary", "secondary"):
        status = await lab.remsimd.until(
            lambda s, name=name: s["modems"][name]["identity"] is not None, f"{name} modem identified"
        )
        modem = status["modems"][name]
        who = modem["identity"]
        port = Path(modem["port"]).name
        story.tell("modem", f"{name}: {who['manufacturer']} {who['model']}, driver {modem['driver']}, {port}")
    status = await lab.remsimd.until(
        lambda s: registered(s, "primary") and registered(s, "secondary") and len(signals(s)) == 2,
        "both modems registered, their signal measured",
    )
    story.tell("modem", "both registered with their local SIMs: " + ", ".join(signals(status)))


async def get_card(lab: Lab, story: Story) -> None:
    """The card's way from the bank to the modem, checked at the modem."""
    story.title("It gets a card from the bank")
    status = await lab.remsimd.until(
        lambda s: s["ionmesh"]["state"] == "registered", "registered with IonMesh"
    )
    card = status["ionmesh"]["assignment"]
    place = f"bank {card['bank_id']} slot {card['slot_id']}"
    story.tell("ionmesh", f"registered, assigned {place}; IonMesh mapped the slot at the bank")
    status = await lab.remsimd.until(lambda s: s["rspro"]["state"] == "operational", "the card answers")
    story.tell("rspro", f"server and bankd connected, ATR {status['rspro']['atr']}")
    status = await lab.remsimd.until(
        lambda s: s["modems"]["primary"]["sim_source"] == "remote", "the modem is on the remote card"
    )
    owner = next(c for c in lab.cards if c.slot == card["slot_id"])
    sim = status["modems"]["primary"]["sim"]
    check(
        sim["iccid"] == owner.iccid,
        f"the modem reads ICCID {sim['iccid']}, the bank's card has {owner.iccid}",
    )
    switched = await lab.remsimd.entry(
        lambda e: e["kind"] == "sim_switch" and "on the remote" in e["text"], "SIM switch"
    )
    story.tell("sim", f"GPIO line sim1 moved, the modem reads the bank's card: ICCID {sim['iccid']}")
    story.tell("sim", switched["text"])
    await lab.remsimd.until(lambda s: registered(s, "primary"), "registered with the remote card")
    await lab.remsimd.until(lambda s: bool(lab.challenged), "the network challenged the card")
    proof = lab.challenged[-1]
    check(proof.agreed, "the card's answer differs from what the home network computed")
    status = await lab.remsimd.call("status")
    tpdus = status["modems"]["primary"]["tpdus"]
    story.tell("network", f"challenge RAND {proof.rand.hex()[:16]}..., {tpdus} TPDUs relayed so far")
    story.tell(
        "network", f"card answered RES {proof.res.hex()}: the home network computed the same on its own"
    )


async def fail_over(lab: Lab, story: Story) -> None:
    """A lost signal, measured from the fault to the moved route, and the way back."""
    story.title("The primary modem loses its signal")
    await lab.remsimd.until(
        lambda s: s["active_link"] == "primary", "data uses the primary link", within_s=40
    )
    await lab.remsimd.until(lambda s: s["links"]["secondary"]["health"] == "up", "the secondary link is up")
    if lab.world is not None:
        check(await lab.default_route() == "wwan0", "the default route does not use wwan0")
    before = await last_seq(lab)
    fault_s = time.time()
    lab.primary.set_state(ModemState.NO_SIGNAL)
    story.fault("fault", "no signal at the primary modem; its interface stays up, as real ones do")
    moved = await lab.remsimd.entry(failover_to("secondary"), "data moved to the secondary", after=before)
    took_ms = (moved["wall_s"] - fault_s) * 1000
    way = (
        "default route moved to wwan1"
        if lab.world is not None
        else "decision to use the secondary (on loopback: not carried out)"
    )
    if lab.world is not None:
        check(await lab.default_route() == "wwan1", "the kernel does not route over wwan1")
    story.tell("failover", f"[bold]failover in {took_ms:.0f} ms[/bold], from the fault on: {way}")
    status = await lab.remsimd.call("status")
    check(status["rspro"]["state"] == "operational", f"the card's session broke: {status['rspro']['detail']}")
    story.tell("rspro", "the card's session goes on over the secondary")
    before = await last_seq(lab)
    recovery_s = time.time()
    lab.primary.set_state(ModemState.REGISTERED)
    story.fault("recovery", "the signal is back; data stays for the hold-down (4 s here, 60 s by default)")
    back = await lab.remsimd.entry(
        failover_to("primary"), "data back on the primary", after=before, within_s=40
    )
    story.tell("failover", f"back on the primary {back['wall_s'] - recovery_s:.1f} s after the recovery")
    await lab.remsimd.until(
        lambda s: s["ionmesh"]["heartbeats"] >= 1, "a heartbeat was answered", within_s=40
    )
    status = await lab.remsimd.call("status")
    over = status["ionmesh"]["heartbeat_link"] or "loopback"
    story.tell("ionmesh", f"heartbeats answered: {status['ionmesh']['heartbeats']}, the last over {over}")


async def end(lab: Lab, story: Story) -> None:
    """SIGTERM: everything put back."""
    story.title("It stops")
    started_s = time.monotonic()
    status = await lab.router.end(signal.SIGTERM)
    took_s = time.monotonic() - started_s
    check(status == 0, f"remsimd ended with status {status}")
    check(took_s < 3, f"remsimd took {took_s:.1f} s to stop")
    check(not await lab.chip.get(SIM_LINE), "the SIM line was left on the remote card")
    story.tell("remsimd", f"stopped in {took_s:.1f} s: SIM back on local, card given back, rules removed")


def try_out(lab: Lab, story: Story, metrics_url: str) -> None:
    """What a person can do while everything runs."""
    control = f"REMSIM_SOCKET={lab.control_socket} {Path(sys.executable).with_name('remsimctl')}"
    story.title("Everything stays up; try in another terminal")
    story.note(f"  export REMSIM_SOCKET={lab.control_socket}")
    remsimctl = os.path.relpath(control.split()[-1])
    for words in ("status", "sim", "failover explain", "failover to secondary", "events --follow"):
        story.note(f"  {remsimctl} {words}")
    story.note(f"  curl -s {metrics_url}")
    if lab.world is not None:
        story.note(f"  ip netns exec {lab.world.router} ip route get 198.18.0.53")
    story.note(f"  tail -f {lab.folder / 'remsimd.log'}")


async def watch(lab: Lab, story: Story, interrupt: Interrupt) -> None:
    """Print the timeline until Ctrl-C; single keys break and mend things."""
    keys: dict[str, tuple[str, Callable[[], None]]] = {
        "s": ("primary loses its signal", lambda: lab.primary.set_state(ModemState.NO_SIGNAL)),
        "g": ("primary is unplugged", lambda: lab.primary.set_state(ModemState.GONE)),
        "r": ("primary is well again", lambda: lab.primary.set_state(ModemState.REGISTERED)),
        "x": ("secondary loses its signal", lambda: lab.secondary.set_state(ModemState.NO_SIGNAL)),
        "y": ("secondary is well again", lambda: lab.secondary.set_state(ModemState.REGISTERED)),
    }
    loop = asyncio.get_running_loop()
    with single_keys() as descriptor, interrupt.awaiting():
        if descriptor is not None:
            story.note("\n  keys:")
            for key, (text, _) in keys.items():
                story.note(f"    [bold]{key}[/bold]  {text}")
            loop.add_reader(descriptor, press, descriptor, keys, story)
        story.note("  Ctrl-C ends the demo\n")
        seen = await last_seq(lab)
        while not interrupt.asked.is_set() and lab.router.running:
            with contextlib.suppress(OSError, LabError):
                for entry in await lab.remsimd.call("events", after=seen):
                    seen = entry["seq"]
                    story.tell(entry["subject"], escape(entry["text"]), mark="[dim]·[/dim]")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await interrupt.asked.wait()
        if descriptor is not None:
            loop.remove_reader(descriptor)


def press(descriptor: int, keys: dict[str, tuple[str, Callable[[], None]]], story: Story) -> None:
    """Serve one key."""
    try:
        pressed = os.read(descriptor, 1)
    except OSError:  # the terminal was closed
        pressed = b""
    if not pressed:
        asyncio.get_running_loop().remove_reader(descriptor)
        return
    action = keys.get(pressed.decode(errors="replace"))
    if action is not None:
        story.fault("you", action[0])
        action[1]()


def check(holds: bool, otherwise: str) -> None:
    """Stop the demo with a reason where the story is not true."""
    if not holds:
        raise LabError(otherwise)


def registered(status: dict[str, Any], modem: str) -> bool:
    """Whether the router knows the modem to be registered."""
    registration = status["modems"][modem]["registration"]
    return registration is not None and registration["state"] in ("home", "roaming")


def signals(status: dict[str, Any]) -> list[str]:
    """The modems' signal, where it was measured."""
    found = []
    for name, modem in status["modems"].items():
        if modem["signal"] is not None and modem["signal"]["rsrp_dbm"] is not None:
            found.append(f"{name} RSRP {modem['signal']['rsrp_dbm']:.0f} dBm")
    return found


def failover_to(link: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a timeline entry tells a move of the data to this link."""
    return lambda entry: entry["kind"] == "failover" and entry["subject"] == link


async def last_seq(lab: Lab) -> int:
    """The number of the newest timeline entry."""
    entries = await lab.remsimd.call("events", last=1)
    return int(entries[-1]["seq"]) if entries else 0


async def opened(
    stack: contextlib.AsyncExitStack, folder: Path, story: Story, prefix: str, *, loopback: bool
) -> Lab:
    """A lab in network namespaces, or on loopback where those are not to be had."""
    refused = "asked for" if loopback else "as root: real routes in network namespaces"
    if namespaces_possible() and not loopback:
        try:
            lab = await stack.enter_async_context(Lab.create(folder, namespaces=True, prefix=prefix))
        except LabError as error:
            refused = escape(f"no network namespaces here: {error}")
        else:
            story.tell("lab", "router and servers in network namespaces, two carriers between them")
            return lab
    lab = await stack.enter_async_context(Lab.create(folder, namespaces=False))
    story.tell("lab", f"everything on loopback, routes are only decided ({refused})")
    return lab


async def play(folder: Path, prefix: str, *, once: bool, loopback: bool) -> int:
    """The whole demo, to its exit status. Raises LabError or ProgramError where the story is not true."""
    interrupt = Interrupt()
    interrupt.listen()
    story = Story(lambda: interrupt(signal.SIGPIPE))
    story.note("[bold]remsimd demo[/bold]: one router, two modems, a SIM bank and IonMesh, all emulated")
    try:
        async with contextlib.AsyncExitStack() as stack:
            story.title("A router starts")
            lab = await opened(stack, folder, story, prefix, loopback=loopback)
            await start(lab, story)
            await get_card(lab, story)
            await fail_over(lab, story)
            if not once:
                port = lab.metrics_port
                if lab.world is not None:
                    port = await lab.world.forward(0, lab.metrics_port)
                try_out(lab, story, f"http://127.0.0.1:{port}/metrics")
                await watch(lab, story, interrupt)
            await end(lab, story)
    except (asyncio.CancelledError, LabError, ProgramError):
        # Not swallowed: the process ends with this task. And a signal from the keyboard goes to the
        # programs too, whose end may be noticed first.
        if not interrupt.asked.is_set():
            raise
        return interrupt.status
    return 0


def main() -> None:
    """Parse the command line, play, and leave an exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description=f"{__doc__} Then everything stays up for you to play with. "
        "A demo that is killed takes its programs along, and the next one removes its namespaces.",
        epilog="Exit status: 0 when the story was as it should be, 1 with the reason when it was not, "
        "128 and the number of the signal when one came before its end.",
    )
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, even as root")
    parser.add_argument("--keep", action="store_true", help="keep logs, configuration and databases")
    arguments = parser.parse_args()
    for number in ENDINGS:
        signal.signal(number, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may have no check mark
    try:
        with claimed() as prefix:
            status = perform(prefix, keep=arguments.keep, once=arguments.once, loopback=arguments.loopback)
    except StageError as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    sys.exit(status)


def perform(prefix: str, *, keep: bool, once: bool, loopback: bool) -> int:
    """Play in a folder of its own, which stays when something is to be read there; the exit status."""
    folder = new_folder()
    status = 1
    try:
        try:
            status = asyncio.run(play(folder, prefix, once=once, loopback=loopback))
        finally:
            sweep(prefix)
    except (LabError, ProgramError) as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    finally:
        if status == 1 or keep:
            print(f"logs: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    main()
