"""Modules that are loaded at their first use, each in an interpreter that has not used it yet."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from functools import partial
from importlib import import_module

import pytest

from remsimd.deferred import SELDOM_USED, is_coroutine_function, own_annotations


def fresh(code: str) -> str:
    """What the code prints where nothing but `defer` was called before."""
    code = f"import sys\nfrom remsimd.deferred import defer\ndefer()\n{code}"
    # An interpreter that is measured has loaded what measures it.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_an_import_loads_nothing_and_a_use_does() -> None:
    assert (
        fresh(
            "import zipfile, zipfile as again\n"
            "before = len(vars(zipfile))\n"
            "print(before < 20, again.is_zipfile(sys.executable), sys.modules['zipfile'] is not zipfile,\n"
            "      len(vars(zipfile)) > before)"
        )
        == "True False True True"
    )


def test_a_name_taken_from_a_module_is_the_module_s() -> None:
    assert fresh("from html import escape\nprint(escape('<'), type(sys.modules['html']).__name__)") == (
        "&lt; module"
    )


def test_a_package_s_other_modules_are_found() -> None:
    assert (
        fresh("import html\nfrom html.parser import HTMLParser\nprint(HTMLParser.__name__)") == "HTMLParser"
    )


def test_what_is_no_package_has_no_modules() -> None:
    assert (
        fresh("try:\n import tokenize.nothing\nexcept ModuleNotFoundError as error:\n print(error)")
        == "No module named 'tokenize.nothing'; 'tokenize' is not a package"
    )


def test_a_function_taken_at_once_is_called_later() -> None:
    assert (
        fresh(
            "from importlib.metadata import version\n"
            "waits = type(sys.modules['importlib.metadata']).__name__\n"
            "print(waits, version('click') != '')"
        )
        == "_Deferred True"
    )


def test_a_class_taken_at_once_may_be_derived_from_and_is_made_later() -> None:
    assert (
        fresh(
            "from urllib.request import HTTPRedirectHandler, Request\n"
            "class Redirects(HTTPRedirectHandler): pass\n"
            "waits = type(sys.modules['urllib.request']).__name__\n"
            "print(waits, Redirects.__bases__ == (object,), Request('http://a/b').host)"
        )
        == "_Deferred True a"
    )


class Handler:
    async def later(self) -> None:
        pass

    def now(self) -> None:
        pass


async def later() -> None:
    pass


class Derived(Handler):
    known: int = 1


@pytest.mark.parametrize("cls", [Handler, Derived, int])
def test_annotations_of_a_class_are_those_of_inspect(cls: type) -> None:
    assert own_annotations(cls) == inspect.get_annotations(cls)


@pytest.mark.parametrize("name", SELDOM_USED)
def test_the_modules_and_functions_exist(name: str) -> None:
    module = import_module(name)
    assert all(callable(getattr(module, function)) for function in SELDOM_USED[name])


@pytest.mark.parametrize(
    "function",
    [later, partial(later), Handler().later, Handler().now, partial(Handler().later), print, Handler, 1],
)
def test_coroutine_functions_are_those_of_inspect(function: object) -> None:
    assert is_coroutine_function(function) == inspect.iscoroutinefunction(function)
