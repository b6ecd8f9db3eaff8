"""A router's root on this machine: busybox, a Python with the feed alone, OpenWrt's parts in our words.

Its processes run in a network namespace of the lab, with mounts that end with the process that made
them: nothing of the host is reachable through the folder from outside.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

STAND_INS = Path(__file__).parent / "router"
PATH = "/sbin:/usr/sbin:/bin:/usr/bin"
PYTHON = """\
#!/bin/sh
PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}/usr/lib/feed" exec {python} -S "$@"
"""
MOUNTS = """\
mount --make-rprivate /
for folder in {folders}; do
    mkdir -p "{root}$folder"
    mount --bind "$folder" "{root}$folder" && mount -o remount,bind,ro "{root}$folder"
done
mount --rbind /dev "{root}/dev"
mount -t proc proc "{root}/proc"
mount -t sysfs sys "{root}/sys"
echo mounted
exec sleep 600
"""


def missing() -> str | None:
    """What this machine lacks for a router's root, None when it has everything."""
    if os.geteuid() != 0:
        return "needs root"
    lacking = [name for name in ("busybox", "unshare", "nsenter", "ip") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else None


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it printed."""

    status: int
    text: str


class Router:
    """The root folder and the way into it; made by `running`."""

    def __init__(self, root: Path, holder: int) -> None:
        self.root = root
        self._holder = holder

    async def sh(self, line: str) -> Result:
        """Run a line of shell in the router; what it starts in the background goes on."""
        enter = ["nsenter", "-t", str(self._holder), "--mount", "--net", "chroot", str(self.root)]
        environment = ["/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root"]
        process = await asyncio.create_subprocess_exec(
            *enter,
            *environment,
            "/bin/sh",
            "-c",
            line,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(40):
            output, _ = await process.communicate()
        return Result(process.returncode or 0, output.decode(errors="replace"))

    async def ok(self, line: str) -> str:
        """What a line printed; it has to succeed."""
        result = await self.sh(line)
        assert result.status == 0, f"{line}\n{result.text}\n{self.log()}"
        return result.text

    def log(self) -> str:
        """The system log."""
        path = self.root / "var/log/messages"
        return path.read_text(errors="replace") if path.exists() else ""

    def processes(self) -> list[str]:
        """The command lines of everything that runs in this root."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "root").readlink() == self.root:
                    words = (entry / "cmdline").read_text().split("\0")
                    found.append(" ".join(words).strip())
        return found

    def files(self) -> set[str]:
        """Every file and, with a slash at its end, every folder but those of the system itself."""
        system = {"dev", "proc", "sys", "lab"}
        return {
            place.as_posix() + ("/" if path.is_dir() and not path.is_symlink() else "")
            for path in self.root.rglob("*")
            if (place := path.relative_to(self.root)).parts[0] not in system
        }


def lay_out(root: Path, feed: Path) -> None:
    """Everything a router has before the package comes."""
    folders = (
        "bin sbin usr/bin usr/sbin usr/lib/opkg/info etc/config etc/init.d etc/rc.d dev proc sys tmp root lab"
        " var/lib var/log var/run/config.md5 var/run/procd var/run/ubus"
    )
    for folder in folders.split():
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    busybox = shutil.which("busybox")
    assert busybox is not None
    shutil.copy(busybox, root / "bin/busybox")
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        if applet not in ("busybox", "ip"):
            (root / "bin" / applet).symlink_to("busybox")
    (root / "usr/bin/env").symlink_to("/bin/busybox")
    shutil.copy(shutil.which("ip") or "/sbin/ip", root / "usr/sbin/ip")
    shutil.copytree(feed, root / "usr/lib/feed")
    python = root / "usr/bin/python3"
    python.write_text(PYTHON.format(python=Path(sys.executable).resolve()))
    python.chmod(0o755)
    shutil.copytree(STAND_INS, root, dirs_exist_ok=True, symlinks=True)


@asynccontextmanager
async def running(root: Path, namespace: str) -> AsyncIterator[Router]:
    """The router, in a network namespace; at the end its processes are killed and the mounts are gone."""
    triplet = sysconfig.get_config_var("MULTIARCH")
    folders = [str(Path(sys.base_prefix).resolve()), f"/usr/lib/{triplet}", "/usr/lib64"]
    script = MOUNTS.format(folders=" ".join(filter(os.path.isdir, folders)), root=root)
    holder = await asyncio.create_subprocess_exec(
        *["ip", "netns", "exec", namespace, "unshare", "--mount", "sh", "-e", "-c", script],
        stdout=asyncio.subprocess.PIPE,
    )
    assert holder.stdout is not None
    async with asyncio.timeout(10):
        assert await holder.stdout.readline() == b"mounted\n"
    try:
        yield Router(root, holder.pid)
    finally:
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (entry / "root").readlink() == root:
                    os.kill(int(entry.name), 9)
        holder.kill()
        await holder.wait()
