"""The init script under busybox's shell, with a stand-in for procd that records the calls."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from remsimd.config.options import TABLES

FILES = Path(__file__).parents[2] / "openwrt/files"
INIT = FILES / "etc/init.d/remsimd"
SCRIPTS = [
    INIT,
    *sorted((FILES / "etc/uci-defaults").iterdir()),
    *sorted((FILES / "etc/hotplug.d").rglob("*-remsimd")),
    *sorted(FILES.parent.glob("*.sh")),
]

STAND_IN = """\
initscript={init}
extra_command() {{ :; }}
logger() {{ cat >&2; }}
config_load() {{ :; }}
config_get_bool() {{ eval "$1={enabled}"; }}
config_get() {{ [ "$3" = listen_interface ] && eval "$1=loopback" || eval "$1=wwan0"; }}
config_foreach() {{ function="$1"; shift 2; "$function" section "$@"; }}
df() {{ echo "/dev/ubi0_1 50000 1 {free_kb} 1% /overlay"; }}
python3() {{ echo "python3 $*" >>"$LIBRARY/compiled"; mkdir -p "${{2#pycache_prefix=}}"; }}
sync() {{ :; }}
start() {{ start_service; }}
uci_load_validate() {{ echo "validate $*"; }}
for name in procd_open_instance procd_close_instance procd_set_param procd_add_reload_trigger \\
    procd_add_interface_trigger procd_add_validation procd_send_signal; do
    eval "$name() {{ echo \\"$name \\$*\\"; }}"
done
. {init}
PROG={prog}
LIBRARY={library}
{call}
"""

ash = pytest.mark.skipif(
    shutil.which("busybox") is None, reason="busybox is not installed (apt-get install busybox)"
)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(call: str, *, enabled: int = 1, prog: str = "true") -> subprocess.CompletedProcess[str]:
        script = STAND_IN.format(
            init=INIT, enabled=enabled, prog=prog, call=call, library=tmp_path, free_kb=99999
        )
        return subprocess.run(
            ["busybox", "ash", "-u", "-c", script], capture_output=True, text=True, timeout=10
        )

    return run


@ash
def test_an_enabled_service_is_kept_running_for_ever_and_reloads_by_signal(run: Run) -> None:
    lines = run("start_service").stdout.splitlines()
    assert lines[0].startswith("procd_open_instance")
    assert "procd_set_param respawn 3600 5 0" in lines
    assert "procd_set_param reload_signal HUP" in lines
    assert "procd_set_param file /etc/config/remsim" in lines
    assert "procd_set_param no_new_privs 1" in lines
    assert "procd_set_param limits core=0" in lines
    assert lines[-1].startswith("procd_close_instance")


@ash
def test_a_disabled_service_starts_nothing_and_says_where_to_enable_it(run: Run) -> None:
    shown = run("start_service", enabled=0)
    assert "procd" not in shown.stdout
    assert "/etc/config/remsim is 0" in shown.stdout


@ash
def test_a_configuration_with_mistakes_starts_nothing(run: Run) -> None:
    shown = run("start_service", prog="false")
    assert "procd_open_instance" not in shown.stdout
    assert shown.returncode != 0


@ash
def test_a_reload_with_mistakes_leaves_alone_what_runs_and_lets_it_say_so(run: Run) -> None:
    shown = run("reload_service", prog="false")
    assert shown.stdout.splitlines() == ["procd_send_signal remsimd"]
    assert shown.returncode != 0
    assert "procd_open_instance" in run("reload_service").stdout


@ash
def test_sources_are_compiled_once_by_a_process_of_its_own(run: Run, tmp_path: Path) -> None:
    run("start_service")
    run("start_service")
    (line,) = (tmp_path / "compiled").read_text().splitlines()
    asked = f"python3 -X pycache_prefix={tmp_path}/bytecode.new -X no_debug_ranges -m compileall"
    assert line.startswith(asked)
    assert (tmp_path / "bytecode").is_dir()
    assert not (tmp_path / "bytecode.new").exists()


@ash
def test_the_service_reloads_with_its_configuration_and_its_interfaces(run: Run) -> None:
    lines = run("service_triggers").stdout.splitlines()
    assert "procd_add_reload_trigger remsim" in lines
    assert f"procd_add_interface_trigger interface.* wwan0 {INIT} reload" in lines
    assert not any("loopback" in line for line in lines)


def test_every_option_is_validated_and_no_other() -> None:
    text = INIT.read_text()
    for table in TABLES.values():
        found = re.search(rf'uci_load_validate "\$CONFIG" {table.kind} .*?\n}}', text, re.DOTALL)
        assert found is not None, f"no validation of section {table.kind}"
        named = set(re.findall(r"'(\w+):", found[0]))
        assert named == {row.option for row in table.rows}, table.kind
        assert f"procd_add_validation validate_{'main' if table.kind == 'remsim' else table.kind}" in text


@pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed (apt-get install shellcheck)"
)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(FILES.parent)))
def test_shell_is_clean(script: Path) -> None:
    # rc.common sources the script and sees its variables; ash has `local`.
    excluded = "SC1008,SC2034,SC2154,SC3043"
    shown = subprocess.run(["shellcheck", "-s", "sh", "-e", excluded, script], capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout
