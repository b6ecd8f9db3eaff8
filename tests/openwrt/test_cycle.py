"""Install, configure, start, reload, upgrade, remove: the lines of docs/openwrt.md on a router's root.

The package's own files run under busybox and a Python that has only the feed's libraries; modems,
networks, bank and orchestrator are the lab's.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from simlab.control import RemsimdControl
from simlab.lab import Lab
from simlab.links import PROBE_ADDRESSES, LabError
from simlab.modems.remote_sim import RemoteSim
from simlab.modems.sim import SimFailure
from simlab.process import run_once
from tests.control.ubusd import UbusClient, Ubusd
from tests.openwrt import chroot
from tests.openwrt.chroot import Router

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/openwrt.md"
REST = """
uci set remsim.secondary=modem
uci set remsim.secondary.role='secondary'
uci add_list remsim.secondary.match='tty:/lab/ttyEC25'
uci set remsim.secondary.interface='wwan1'
uci set remsim.primary.sim='remote'
uci set remsim.primary.sim_slot='2'
uci set remsim.board=frontend
uci set remsim.board.modem='primary'
uci set remsim.board.type='shell'
uci set remsim.ionmesh=ionmesh
uci set remsim.ionmesh.enabled='1'
uci set remsim.ionmesh.url='{url}'
uci set remsim.ionmesh.insecure='1'
uci set remsim.ionmesh.api_key_file='/lab/api-key'
uci set remsim.failover=failover
uci add_list remsim.failover.targets='icmp:{probe}'
uci set remsim.failover.interval='2'
uci set remsim.failover.fast_interval='0.5'
uci set remsim.failover.up='2'
"""

DEADLINE_S = 60.0
"""Here the standard library has sources, which are compiled anew for the daemon's place of bytecode."""

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chroot.missing() is not None, reason=str(chroot.missing())),
]


def lines() -> list[str]:
    """The cycle as the page has it."""
    block = PAGE.read_text(encoding="utf-8").split("```")[1]
    return [line.partition("  #")[0].strip() for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def feed() -> Path:
    """The feed's libraries in its versions, which have to be fetched once."""
    sys.path.insert(0, str(ROOT / "scripts/bench.d"))
    from _installed import feed

    try:
        return feed()
    except subprocess.CalledProcessError:
        pytest.skip("the feed's Python packages cannot be fetched here")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("cycle") / "root/lab"
    async with Lab.create(folder, namespaces=True, prefix="remsim-pkg") as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def router(lab: Lab, feed: Path) -> AsyncIterator[Router]:
    assert lab.world is not None
    root = lab.folder.parent
    chroot.lay_out(root, feed)
    await run_once([sys.executable, str(ROOT / "scripts/build-ipk"), "--output", str(root / "root")])
    async with chroot.running(root, lab.world.router) as router:
        await router.ok("mv /root/*.ipk /tmp/")
        yield router


async def remote_card(lab: Lab, path: Path) -> None:
    """The pins of the primary's second slot lead to the frontend."""
    while True:
        with contextlib.suppress(SimFailure):
            async with RemoteSim(path) as sim:
                lab.primary.set_sim(sim, slot=2)
                while not sim.gone:
                    await asyncio.sleep(0.05)
        lab.primary.set_sim(None, slot=2)
        await asyncio.sleep(0.05)


async def test_the_page_s_ten_lines(lab: Lab, router: Router) -> None:
    install, enable, modem, start, status, change, upgrade, remove = lines()
    control = RemsimdControl(router.root / "var/run/remsim/control.sock", router.root / "var/log/messages")
    pins = asyncio.create_task(remote_card(lab, router.root / "var/run/remsim/shell-primary.sock"))
    before = router.files(), await routing(router)

    # It is installed, enabled at boot, and off.
    assert "is 0" in await router.ok(f"cd /tmp && {install}")
    assert (router.root / "etc/rc.d/S95remsimd").is_symlink()
    assert not list((router.root / "etc/uci-defaults").glob("*"))
    assert router.processes() == []

    # Configured and started it does the whole job.
    await router.ok(enable)
    await router.ok(modem.replace("id:2c7c:0800", "tty:/lab/ttyRM500Q"))
    await router.ok(REST.format(url=lab.ionmesh_url, probe=PROBE_ADDRESSES[0]))
    async with Ubusd().listening(router.root / "var/run/ubus/ubus.sock"):
        await router.ok(start)
        await control.until(
            lambda now: (
                now["modems"]["primary"]["sim_source"] == "remote"
                and now["ionmesh"]["state"] == "registered"
                and now["rspro"]["state"] == "operational"
                and now["active_link"] == "primary"
            ),
            "everything up",
        )
        assert "primary" in await router.ok(status)
        assert len(await routing(router)) > len(before[1])
        assert any(
            (router.root / place).is_dir() for place in ("tmp/remsim-bytecode", "usr/lib/remsim/bytecode")
        )
        async with UbusClient.connected(router.root / "var/run/ubus/ubus.sock") as client:
            assert (await client.call("remsim", "links"))["active"] == "primary"
            assert (await client.call("remsim", "config_check"))["ok"] is True

    # A change is taken over by the process that runs, a mistake is not and stops nothing.
    (daemon,) = router.processes()
    await router.ok("reload_config")
    await router.ok(change)
    assert await taken_over(control, "configuration applied")
    wrong = await router.sh("uci set remsim.failover.down='0'; uci commit remsim; /etc/init.d/remsimd reload")
    assert wrong.status != 0
    assert "failover.down = '0'" in wrong.text + router.log()
    assert await taken_over(control, "configuration refused")
    assert router.processes() == [daemon]
    await router.ok("uci set remsim.failover.down='3'; uci commit remsim; /etc/init.d/remsimd reload")

    # A hotplug script's poke is a signal the daemon knows.
    for folder in ("iface", "tty", "usb"):
        await router.ok(f"ACTION=add INTERFACE=wwan sh /etc/hotplug.d/{folder}/90-remsimd")
    assert (await router.ok("ACTION=ifup sh /etc/hotplug.d/iface/90-remsimd")) == ""
    await control.call("status")
    assert router.processes() == [daemon]

    # An upgrade keeps the configuration and comes up again.
    edited = (router.root / "etc/config/remsim").read_text()
    (router.root / "sbin/df").write_text("#!/bin/sh\necho /dev/mtdblock6 8000 7000 1000 88% /overlay\n")
    (router.root / "sbin/df").chmod(0o755)
    await router.ok(f"cd /tmp && {upgrade}")
    assert (router.root / "etc/config/remsim").read_text() == edited
    assert (router.root / "etc/config/remsim-opkg").exists()
    await control.until(
        lambda now: now["modems"]["primary"]["port"] is not None, "up after the upgrade", within_s=DEADLINE_S
    )
    assert (router.root / "tmp/remsim-bytecode").is_dir(), "flash is small now"
    assert not (router.root / "usr/lib/remsim/bytecode").exists()

    # Removed, nothing of it is left but the configuration that was edited.
    await router.ok(remove)
    pins.cancel()
    assert router.processes() == []
    assert await routing(router) == before[1]
    assert router.files() - before[0] <= {
        "etc/config/remsim", "etc/config/remsim-opkg", "sbin/df", "var/log/messages",
        "var/run/config.md5/remsim", "var/run/config.md5/remsim-opkg", "var/run/procd/remsimd/",
    }  # fmt: skip


async def test_removed_as_it_came_nothing_is_left(router: Router) -> None:
    install, *_, remove = lines()
    await router.ok("rm -f /etc/config/remsim*")
    before = router.files(), await routing(router)
    await router.ok(f"cd /tmp && {install}")
    assert (router.root / "etc/config/remsim").exists()
    await router.ok("/etc/init.d/remsimd start; remsimd --check")
    assert router.processes() == [], "it is off until it is configured"
    await router.ok(remove)
    assert router.files() - before[0] <= {"var/log/messages", "var/run/procd/remsimd/"}
    assert await routing(router) == before[1]


async def taken_over(control: RemsimdControl, words: str) -> bool:
    """Whether the timeline says so within a few seconds."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(OSError, LabError):
                if any(words in entry["text"] for entry in await control.call("events", kind="config")):
                    return True
            await asyncio.sleep(0.1)


async def routing(router: Router) -> list[str]:
    """Every rule, and every route of every table."""
    shown = await router.ok("ip rule; ip route show table all")
    return sorted(line.strip() for line in shown.splitlines())
