"""The files in docs/deploy: checked by what reads them, and started as far as a test can."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from ionmesh.cli import main
from ionmesh.config import load_config
from simlab.lab import free_port
from tests.ionmesh.conftest import API
from tests.ionmesh.process import DEADLINE_S
from tests.orchestrator.tls import Authority

FOLDER = Path(__file__).parents[2] / "docs/deploy"
PROGRAMS = Path(sys.executable).parent
UNITS = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.socket")])


def needs(program: str, package: str) -> pytest.MarkDecorator:
    found = shutil.which(program)
    return pytest.mark.skipif(found is None, reason=f"{program} is not installed (Debian: {package})")


def settings_of(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def running(command: list[str], log: Path, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=os.environ | environ, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(DEADLINE_S)
        finally:
            process.kill()


def ask(connection: HTTPConnection, method: str, path: str, body: str | None, **headers: str) -> Any:
    """Ask until somebody listens; returns the answer with its body read."""
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.text = answer.read().decode()  # type: ignore[attr-defined]  # for the caller
        except (OSError, HTTPException):
            connection.close()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        else:
            connection.close()
            return answer


@needs("systemd-analyze", "systemd")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text().replace("/opt/ionmesh/bin", str(PROGRAMS))
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(UNITS) == 4


def test_units_name_commands_and_settings_that_there_are() -> None:
    for unit in UNITS:
        for line in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE):
            program, *arguments = shlex.split(line)
            assert (PROGRAMS / Path(program).name).exists(), line
            if program.endswith("/ionmesh"):
                assert arguments[0] in main.commands
    known = settings_of(FOLDER / "ionmesh.env")
    load_config({name: value for name, value in known.items() if name.startswith("IONMESH_")})
    documented = re.findall(r"^#?(IONMESH_\w+)=", (FOLDER / "ionmesh.env").read_text(), re.MULTILINE)
    for name in documented:
        assert name.removeprefix("IONMESH_").lower() in _settings(), name


def _settings() -> set[str]:
    from ionmesh.config import Config

    return set(Config.__dataclass_fields__)


@needs("systemd-socket-activate", "systemd")
def test_the_web_unit_serves_from_its_socket(tmp_path: Path, served: tuple[str, str]) -> None:
    url, key = served
    unit = (FOLDER / "ionmesh-web.service").read_text()
    line = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    assert line is not None
    program, *arguments = shlex.split(line[1])
    port = free_port()
    environ = settings_of(FOLDER / "ionmesh.env") | {"IONMESH_DATABASE": url}
    kept = [f"--setenv={name}" for name in environ]
    command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", *kept]
    command += [str(PROGRAMS / Path(program).name), *arguments]
    with running(command, tmp_path / "log", **environ):
        connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        headers = {"X-API-Key": key}
        body = '{"client_id":"r1"}'
        answer = ask(connection, "POST", f"{API}/remsim/register-client", body, **headers)
        assert answer.status == 200, (tmp_path / "log").read_text()
        assert '"slot_id":1,' in answer.text
        assert ask(connection, "GET", "/readyz", None).status == 200


def certificate(folder: Path) -> str:
    """Issue one for ionmesh.example.com to where nginx looks; returns the authority's own."""
    authority = Authority(folder)
    issued = authority.issue("ionmesh", "ionmesh.example.com")
    Path(issued.cert).rename(folder / "fullchain.pem")
    Path(issued.key).rename(folder / "privkey.pem")
    return authority.cert


def nginx_site(folder: Path, upstream: int, tls: int, plain: int) -> list[str]:
    """Write the site for these ports into a configuration of its own; returns the command that runs it."""
    site = (FOLDER / "nginx.conf").read_text()
    for old, new in (
        ("server 127.0.0.1:5001;", f"server 127.0.0.1:{upstream};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{tls} ssl;"),
        ("listen 5000;", f"listen 127.0.0.1:{plain};"),
        ("/etc/ssl/ionmesh", str(folder)),
        ("allow 10.0.0.0/8;", "allow 127.0.0.0/8;"),
    ):
        assert old in site
        site = site.replace(old, new)
    (folder / "site.conf").write_text(site)
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log stderr; user root; worker_processes 1; daemon off; events {{}}"
        f" http {{ access_log off; {places} include {folder}/site.conf; }}"
    )
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


@needs("nginx", "nginx-light")
def test_nginx_in_front_of_the_processes(tmp_path: Path, served: tuple[str, str]) -> None:
    url, key = served
    authority = certificate(tmp_path)
    upstream, tls, plain = free_port(), free_port(), free_port()
    nginx = nginx_site(tmp_path, upstream, tls, plain)
    checked = subprocess.run([*nginx, "-t"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    web = [str(PROGRAMS / "ionmesh"), "web", "--port", str(upstream), "--processes", "1"]
    environ = {"IONMESH_DATABASE": url, "IONMESH_PROXY_HOPS": "1"}
    trusting = ssl.create_default_context(cafile=authority)
    trusting.check_hostname = False
    with (
        running(web, tmp_path / "web.log", **environ) as _,
        running(nginx, tmp_path / "nginx.log") as _,
    ):
        direct = HTTPConnection("127.0.0.1", upstream, timeout=DEADLINE_S)
        assert ask(direct, "GET", "/readyz", None).status == 200
        # TLS, with a key.
        secure = HTTPSConnection("127.0.0.1", tls, timeout=DEADLINE_S, context=trusting)
        headers = {"X-API-Key": key}
        registered = ask(secure, "POST", f"{API}/remsim/register-client", '{"client_id":"r1"}', **headers)
        assert registered.status == 200, (tmp_path / "nginx.log").read_text()
        for path, status in (("/metrics", 404), ("/metrics/clients", 404), ("/healthz", 200)):
            assert ask(secure, "GET", path, None).status == status
        big = ask(secure, "POST", f"{API}/remsim/heartbeat", "x" * 70_000, **headers)
        assert big.status == 413
        # The C client: plain, no key, no User-Agent, its four calls only.
        old = HTTPConnection("127.0.0.1", plain, timeout=DEADLINE_S)
        body = '{"client_id":"c1-slot0","mapping_mode":"ONE_TO_ONE_SWSIM","mcc_mnc":"","tenant_id":1}'
        answer = ask(old, "POST", f"{API}/remsim/register-client", body)
        assert (answer.status, '"slot_id":2,' in answer.text) == (200, True)
        forged = ask(old, "POST", f"{API}/remsim/register-client", body, **{"X-Forwarded-For": "203.0.113.9"})
        assert forged.status == 200, "what the client says of itself is not what the proxy adds"
        assert ask(old, "GET", f"{API}/clients", None).status == 404


@needs("caddy", "caddy")
def test_caddy_accepts_its_file() -> None:
    done = subprocess.run(
        ["caddy", "validate", "--adapter", "caddyfile", "--config", str(FOLDER / "Caddyfile")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_compose_file_names_what_there_is() -> None:
    import yaml  # type: ignore[import-untyped]  # it ships no type information

    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    services = compose["services"]
    assert {"postgres", "worker", "web1", "web2", "proxy"} == set(services)
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        for variable in service.get("environment", {}):
            if variable.startswith("IONMESH_"):
                assert variable.removeprefix("IONMESH_").lower() in _settings()
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (FOLDER / source).is_file(), source
            else:
                assert source in compose["volumes"]
        if "build" in service:
            context = (FOLDER / service["build"]["context"]).resolve()
            assert (context / "setup.py").is_file()
            assert (context / service["build"]["dockerfile"]).is_file()
    assert services["worker"]["command"] == ["ionmesh", "worker"]
    assert "worker" in main.commands
    upstreams = re.search(r"reverse_proxy (.*) \{", (FOLDER / "Caddyfile").read_text())
    assert upstreams is not None
    assert {place.split(":")[0] for place in upstreams[1].split()} == {"web1", "web2"}
    assert 'CMD ["ionmesh", "web", ' in (FOLDER / "Dockerfile").read_text()
    assert "web" in main.commands
    # What the file wants from outside has no default: it must not start without.
    for secret in ("POSTGRES_PASSWORD", "IONMESH_KEY_PEPPER"):
        assert f"${{{secret}:?}}" in (FOLDER / "compose.yaml").read_text()
