"""docs/control.md lists every method, with its parameters and help."""

from pathlib import Path

from remsimd.config.model import Config
from remsimd.control import overview
from remsimd.control.methods import table
from remsimd.observe.eventlog import EventLog
from remsimd.state import start
from remsimd.store import Store
from tests.control.test_socket import Doer

PAGE = Path(__file__).parents[2] / "docs" / "control.md"


def test_the_page_is_the_method_table() -> None:
    store = Store(start(Config(), 0.0))
    methods = {**table(store, EventLog(), Doer()), **overview.table(store, Path("remsim"))}
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for name, method in methods.items():
        (line,) = [line for line in lines if line.startswith(f"| `{name}` |")]
        assert method.help in line
        assert all(f"`{parameter}`" in line for parameter in method.params)
