"""What rpcd does for LuCI: the ACL, UCI with changes that are staged, files, and ubus calls to the daemon."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from remsimd.cli.client import ControlClient
from remsimd.config import uci
from remsimd.config.uci import Option, Section
from remsimd.control.ubus import ubus_name
from remsimd.errors import ControlError
from tests.openwrt.luci.pages import APP

OK, INVALID_ARGUMENT, METHOD_NOT_FOUND, NOT_FOUND, DENIED = 0, 2, 3, 4, 6
NO_OBJECT = -32000
PACKAGE = "remsim"
UCI_WRITES = ("set", "add", "delete", "apply", "confirm")

Answer = tuple[int, Any]


class NoObjectError(Exception):
    """uhttpd: nobody serves that object."""


@dataclass
class Acl:
    """What the app's ACL file grants; a session without `write` has the first half only."""

    grants: dict[str, Any]

    @classmethod
    def read(cls) -> "Acl":
        """The file as it is installed."""
        (file,) = (APP / "root/usr/share/rpcd/acl.d").glob("*.json")
        (role,) = json.loads(file.read_text()).values()
        return cls(role)

    def ubus(self, method: str, write: bool) -> bool:
        """Whether a method of the daemon's object may be called."""
        return any(method in half["ubus"]["remsim"] for half in self._halves(write))

    def uci(self, method: str, write: bool) -> bool:
        """Whether a method of object `uci` may be called for our package."""
        halves = [self.grants["write"]] if method in UCI_WRITES else self._halves(write)
        return (write or method not in UCI_WRITES) and any(PACKAGE in half["uci"] for half in halves)

    def file(self, place: str, what: str, write: bool) -> bool:
        """Whether a file or a whole command line may be used so."""
        return any(what in half.get("file", {}).get(place, ()) for half in self._halves(write))

    def _halves(self, write: bool) -> list[dict[str, Any]]:
        return [self.grants["read"], *([self.grants["write"]] if write else [])]


@dataclass
class Rpcd:
    """Serves every call of a page; `file` is /etc/config/remsim, `folder` stands for /tmp.

    `calls` and `drafts` are what was called, and the settings that were given to be checked; `told`
    answers some methods of the daemon in its place.
    """

    socket: Path
    file: Path
    folder: Path
    acl: Acl = field(default_factory=Acl.read)
    calls: list[tuple[str, str]] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    staged: list[dict[str, Any]] | None = None
    told: dict[str, Callable[[dict[str, Any]], Answer]] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)

    def call(self, session: str, name: str, method: str, params: dict[str, Any]) -> Answer:
        """The ubus status and the table of an answer; raises NoObjectError."""
        self.calls.append((name, method))
        write = session == "admin"
        match name:
            case "remsim":
                return self._daemon(method, params) if self.acl.ubus(method, write) else (DENIED, None)
            case "uci":
                return self._uci(method, params) if self.acl.uci(method, write) else (DENIED, None)
            case "file":
                return self._files(method, params, write)
        raise NoObjectError(name)

    # The daemon, by its socket

    def _daemon(self, method: str, params: dict[str, Any]) -> Answer:
        if method in self.told:
            return self.told[method](params)
        if not self.socket.exists():
            raise NoObjectError("remsim")
        if method == "config_check":
            self.drafts.append(params["text"])
        with ControlClient(self.socket) as client:
            try:
                result = client.call(self._dotted(client, method), **params)
            except ControlError as error:
                return INVALID_ARGUMENT, {"error": str(error)}
        return OK, result if isinstance(result, dict) else {"result": result}

    def _dotted(self, client: ControlClient, method: str) -> str:
        """The socket's name of a method; the daemon lists them to whoever asks for one it has not."""
        if not self._names:
            try:
                client.call("nothing")
            except ControlError as error:
                listed = str(error).partition("known methods: ")[2].split(", ")
                self._names = {ubus_name(known): known for known in listed}
        return self._names[method]

    # UCI

    def _uci(self, method: str, params: dict[str, Any]) -> Answer:
        serve: Callable[[dict[str, Any]], Answer] = getattr(self, f"_uci_{method}")
        if self.staged is None:
            self.staged = self._read()
        return serve(params)

    def _read(self) -> list[dict[str, Any]]:
        sections = []
        for number, section in enumerate(uci.parse(self.file.read_text()).sections):
            values: dict[str, Any] = {
                option.name: list(option.values) if option.is_list else option.values[0]
                for option in section.options
            }
            name = section.name or f"cfg{number:02d}{section.type[:4]}"
            sections.append({".type": section.type, ".name": name, ".anonymous": not section.name, **values})
        return sections

    def _find(self, name: str) -> dict[str, Any]:
        return next(section for section in self.staged or [] if section[".name"] == name)

    def _uci_get(self, _: dict[str, Any]) -> Answer:
        sections = enumerate(self.staged or [])
        return OK, {"values": {section[".name"]: {**section, ".index": n} for n, section in sections}}

    def _uci_add(self, params: dict[str, Any]) -> Answer:
        name = params.get("name") or f"cfg{len(self.staged or []):02d}new"
        if not re.fullmatch(r"\w+", name):
            return INVALID_ARGUMENT, None
        added = {".type": params["type"], ".name": name, ".anonymous": not params.get("name")}
        (self.staged or []).append({**added, **params["values"]})
        return OK, {"section": name}

    def _uci_set(self, params: dict[str, Any]) -> Answer:
        self._find(params["section"]).update(params["values"])
        return OK, None

    def _uci_delete(self, params: dict[str, Any]) -> Answer:
        section = self._find(params["section"])
        if params.get("options") is None:
            (self.staged or []).remove(section)
        for option in params.get("options") or ():
            section.pop(option, None)
        return OK, None

    def _uci_apply(self, _: dict[str, Any]) -> Answer:
        """Write the file; procd's trigger then makes the daemon read it again."""
        kept = [
            Section(
                section[".type"],
                None if section[".anonymous"] else section[".name"],
                0,
                tuple(
                    Option(
                        name, tuple(value) if isinstance(value, list) else (value,), isinstance(value, list)
                    )
                    for name, value in section.items()
                    if not name.startswith(".")
                ),
            )
            for section in self.staged or []
        ]
        self.file.write_text(uci.dump(replace(uci.Package(), sections=tuple(kept))))
        if self.socket.exists():
            with ControlClient(self.socket) as client:
                client.call("reload")
        return OK, None

    def _uci_confirm(self, _: dict[str, Any]) -> Answer:
        self.staged = None
        return OK, None

    # Files

    def _files(self, method: str, params: dict[str, Any], write: bool) -> Answer:
        if method == "exec":
            argv = [params["command"], *params["params"]]
            return self._run(argv) if self.acl.file(" ".join(argv), "exec", write) else (DENIED, None)
        if not self.acl.file(params["path"], "write", write):
            return DENIED, None
        file = self.folder / Path(params["path"]).name
        if method == "remove":
            file.unlink()
        else:
            file.touch(mode=params["mode"])
            file.write_text(params["data"])
            self.drafts.append(params["data"])
        return OK, {}

    def _run(self, argv: list[str]) -> Answer:
        """The daemon's program from this tree, with /tmp where our folder is."""
        words = [
            str(self.folder / Path(word).name) if word.startswith("/tmp/") else word for word in argv[1:]
        ]
        program = Path(sys.executable).with_name(Path(argv[0]).name)
        ended = subprocess.run([program, *words], capture_output=True, text=True, timeout=30)
        return OK, {"code": ended.returncode, "stdout": ended.stdout, "stderr": ended.stderr}
