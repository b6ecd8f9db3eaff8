"""Modules that libraries import and hardly ever use, loaded when something of them is used first.

For a process that runs for months: what each of them takes is in docs/openwrt.md. Python's own lazy loader
(importlib.util.LazyLoader) does not serve, because the second `import` of a module looks at its `__spec__`
and so loads it.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from types import FunctionType, MethodType, ModuleType
from typing import Any

_CO_COROUTINE = 0x80
"""What marks a coroutine function (the documentation of inspect)."""
SELDOM_USED: Mapping[str, tuple[str, ...]] = {
    # dataclasses, asyncio and linecache import inspect, which needs the others.
    "ast": (),
    "dis": (),
    "inspect": (),
    "tokenize": (),
    # asyncio, for what it says of a failure and for TLS, which requests does; subprocess, for texts.
    "asyncio.sslproto": (),
    "locale": (),
    "textwrap": (),
    "traceback": ("extract_stack",),
    # shutil, for archives.
    "bz2": (),
    "lzma": (),
    # http.server, http.cookiejar, requests, and logging.handlers for its sockets.
    "html": (),
    "html.entities": (),
    "calendar": ("timegm",),
    "mimetypes": (),
    "pickle": (),
    # For host names beyond ASCII.
    "idna": (),
    # urllib3 asks for the version of a library for HTTP/2, certifi may be in an archive.
    "importlib.metadata": ("version",),
    "zipfile": (),
    # requests asks it for proxies, prometheus_client pushes with it.
    "urllib.request": (
        *("getproxies", "getproxies_environment", "parse_http_list", "proxy_bypass"),
        *("proxy_bypass_environment", "BaseHandler", "HTTPHandler", "HTTPRedirectHandler"),
        *("HTTPSHandler", "Request", "build_opener"),
    ),
    # For metrics that decorate functions; it takes names out of inspect.
    "prometheus_client.decorator": ("decorate",),
}
"""Module to those of its functions that are taken from it at once, and called later or never.

Some are classes; what is derived from one at once is without it, and so of no use.
"""


class _Deferred(ModuleType):
    """Stands in for a module until one of its names is asked for; `from` imports ask, too."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        super().__init__(name)
        for function in functions:
            setattr(self, function, self._deferred(function))

    def __getattr__(self, name: str) -> Any:
        # An import asks this of every module, a package answers it.
        if name == "__path__":
            return self._search_path()
        return getattr(self._load(), name)

    def _search_path(self) -> list[str]:
        package = self.__name__.rpartition(".")[0]
        spec = PathFinder.find_spec(self.__name__, import_module(package).__path__ if package else None)
        if spec is None or spec.submodule_search_locations is None:
            raise AttributeError(f"module {self.__name__!r} is not a package")
        return spec.submodule_search_locations

    def _load(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        # Whoever imported the stand-in keeps it.
        vars(self).update(vars(module))
        return module

    def _deferred(self, function: str) -> Callable[..., Any]:
        def load_and_call(*args: Any, **kwargs: Any) -> Any:
            return getattr(self._load(), function)(*args, **kwargs)

        vars(load_and_call)["__mro_entries__"] = lambda _: ()
        return load_and_call


def is_coroutine_function(function: object) -> bool:
    """As `inspect.iscoroutinefunction`, which asyncio asks about each handler of a signal."""
    while isinstance(function, partial | MethodType):
        function = function.func if isinstance(function, partial) else function.__func__
    return isinstance(function, FunctionType) and bool(function.__code__.co_flags & _CO_COROUTINE)


def own_annotations(cls: type) -> dict[str, Any]:
    """As `inspect.get_annotations` of a class, which dataclasses asks for each in Python 3.12 and 3.13."""
    return dict(vars(cls).get("__annotations__", {}))


def defer(modules: Mapping[str, tuple[str, ...]] = SELDOM_USED) -> None:
    """Have each of the modules loaded at its first use; those that are loaded already stay."""
    for name, functions in modules.items():
        if name not in sys.modules:
            sys.modules[name] = _Deferred(name, functions)
    inspect = vars(sys.modules["inspect"])
    inspect.setdefault("iscoroutinefunction", is_coroutine_function)
    if sys.version_info < (3, 14):
        inspect.setdefault("get_annotations", own_annotations)
