"""Sources as a router has them: dataclasses that take less memory, and no annotations."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import itertools
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "openwrt/files/usr/lib/remsim"


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def slim() -> ModuleType:
    return loaded(LIBRARY / "slim_dataclasses.py")


@pytest.fixture(scope="module")
def bare() -> Callable[[bytes], bytes]:
    function: Callable[[bytes], bytes] = loaded(ROOT / "scripts/bare.py").bare
    return function


def classes(dataclass: Any) -> dict[str, Any]:
    """The same classes by one decorator or the other."""

    @dataclass(frozen=True, slots=True)
    class Point:
        x: float
        y: float = 0.0

    @dataclass(frozen=True, slots=True)
    class Other:
        x: float
        y: float = 0.0

    @dataclass(frozen=True, slots=True)
    class Alone:
        x: float

    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named:
        x: float
        secret: str = dataclasses.field(default="", repr=False)
        counted: int = dataclasses.field(default=0, compare=False)

    @dataclass(frozen=True)
    class Base:
        x: float

    @dataclass(frozen=True)
    class Derived(Base):
        z: float = 1.0

    @dataclass(frozen=True, slots=True, repr=False)
    class Silent:
        x: float

    @dataclass(frozen=True, slots=True)
    class Own:
        x: float

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self))

        def __hash__(self) -> int:
            return 7

    @dataclass(slots=True)
    class Changing:
        x: float

    @dataclass
    class Plain:
        x: float

    return {name: made for name, made in locals().items() if isinstance(made, type)}


def instances(dataclass: Any) -> list[Any]:
    """Some of each class, in the same order whatever the decorator."""
    made = classes(dataclass)
    few = [Point(x) for Point in (made["Point"], made["Other"], made["Alone"]) for x in (1.0, 1.0, 2.0)]
    named = made["Named"]
    return [
        *few,
        *(made["Point"](1.0, y) for y in (0.0, 3.0)),
        *(made["Nothing"](), made["Nothing"]()),
        *(named(x=1.0), named(x=1.0, counted=2), named(x=1.0, secret="s")),
        *(made["Base"](1.0), made["Derived"](1.0), made["Derived"](1.0), made["Derived"](1.0, 2.0)),
        *(made["Silent"](1.0), made["Own"](1.0), made["Own"](2.0)),
        *(made["Changing"](1.0), made["Changing"](1.0), made["Plain"](1.0), made["Plain"](2.0)),
    ]


def hashed(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def test_slim_dataclasses_are_alike_where_the_standard_s_are(slim: ModuleType) -> None:
    ours, standard = instances(slim.dataclass), instances(dataclasses.dataclass)
    assert len(ours) == len(standard)
    for (mine, his), (my_other, his_other) in itertools.product(zip(ours, standard, strict=True), repeat=2):
        assert (mine == my_other) == (his == his_other), (mine, my_other)
        assert (mine != my_other) == (his != his_other), (mine, my_other)
    for mine, his in zip(ours, standard, strict=True):
        assert hashed(mine) == hashed(his), mine
        assert mine != his
        assert repr(mine).split(" object at ")[0] == repr(his).split(" object at ")[0]
        assert dataclasses.asdict(mine).keys() == dataclasses.asdict(his).keys()
        assert type(mine).__match_args__ == type(his).__match_args__
        assert ("__slots__" in vars(type(mine))) == ("__slots__" in vars(type(his)))
    for first, second in itertools.combinations([each for each in ours if hashed(each)], 2):
        assert first != second or hash(first) == hash(second), (first, second)


def test_a_slim_dataclass_that_holds_itself_is_shown(slim: ModuleType) -> None:
    plain = classes(slim.dataclass)["Plain"](1.0)
    plain.x = [plain]
    assert repr(plain).endswith("Plain(x=[...])")


def test_replace_knows_slim_dataclasses(slim: ModuleType) -> None:
    point = classes(slim.dataclass)["Point"](1.0, 2.0)
    assert dataclasses.replace(point, x=3.0) == type(point)(3.0, 2.0)


SOURCE = '''
"""Says something."""
from dataclasses import dataclass
from functools import singledispatch
from typing import ClassVar, Protocol


class Lines(Protocol):
    def read(self) -> int: ...


@dataclass(frozen=True)
class Fact:
    """One fact."""

    name: str
    größe: dict[
        str, int
    ]
    known: ClassVar[int] = 3
    unit: "str | None" = None  # ß


def f(
    a: int, /, b: "ä" = "ß", *rest: str, c: dict[str, int] = {}, **more: float
) -> dict[str, "->"]:
    x: int = 1
    return {"line": __import__("sys")._getframe().f_lineno}


async def g(
    a,
) -> (
    int
):
    return 1


@singledispatch
def h(value: object) -> str:
    return "object"


@h.register
def _(value: int) -> str:
    return "int"


where = f(1)["line"]
'''


def test_bare_sources_do_the_same(bare: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(LIBRARY))
    text = bare(SOURCE.encode()).decode()
    monkeypatch.delitem(sys.modules, "slim_dataclasses", raising=False)
    names: dict[str, Any] = {"__name__": "bare"}
    exec(compile(text, "bare", "exec", dont_inherit=True), names)
    assert names["where"] == 1 + SOURCE.split("\n").index(
        '    return {"line": __import__("sys")._getframe().f_lineno}'
    )
    assert names["h"](1) == "int"
    assert names["h"]("1") == "object"
    fact = names["Fact"]("n", {})
    assert repr(fact) == "Fact(name='n', größe={}, unit=None)"
    assert names["Fact"].known == 3
    assert names["f"].__annotations__ == {}
    assert names["Lines"].__bases__ == (object,)


def test_nothing_of_the_package_is_annotated(bare: Callable[[bytes], bytes]) -> None:
    paths = [path for package in ("modems", "remsimd") for path in (ROOT / package).rglob("*.py")]
    assert len(paths) > 150
    for path in paths:
        tree = ast.parse(bare(path.read_bytes()))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            registered = any(ast.unparse(each).endswith(".register") for each in node.decorator_list)
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert registered or not any(each.annotation for each in arguments), f"{path}: {node.name}"
            assert ast.get_docstring(node) in (None, "."), f"{path}: {node.name}"


def test_lines_stay_where_they_were(bare: Callable[[bytes], bytes]) -> None:
    code = textwrap.dedent('''
        def f(a: dict[
                str, int]) -> int:
            """A
            docstring."""
            # why
            return 1
        ''')
    assert bare(code.encode()).decode().split("\n")[6] == "    return 1"
