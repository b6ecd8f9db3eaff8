"""Dataclasses that take less memory, for the package: what ours are made with on a router.

The standard decorator writes and compiles four methods for each class; three of them are the same for all
and are shared here, which is 4 KB a class. Nor are instances frozen: the tests and mypy have seen that
nobody assigns.
"""

from collections.abc import Callable
from dataclasses import asdict, field, fields, is_dataclass, replace
from dataclasses import dataclass as standard
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any

__all__ = ["asdict", "dataclass", "field", "fields", "is_dataclass", "replace"]


@recursive_repr()
def _repr(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = self._compared
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _nothing(_: object) -> tuple[()]:
    return ()


def dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    repr: bool = True,  # noqa: A002  as the standard's
    **options: bool,
) -> Any:
    """As `dataclasses.dataclass` without `order` and `eq`; a class with methods of its own keeps them."""

    def made(cls: type) -> type:
        own = {"__repr__", "__eq__", "__hash__"} & vars(cls).keys()
        made: Any = standard(repr=False, eq=False, **options)(cls)
        names = [each.name for each in fields(made) if each.compare]
        made._compared = attrgetter(*names) if names else staticmethod(_nothing)
        shared: dict[str, Callable[..., Any] | None] = {"__eq__": _eq, "__hash__": _hash if frozen else None}
        if repr:
            shared["__repr__"] = _repr
        for name, method in shared.items():
            if name not in own:
                setattr(made, name, method)
        return made  # type: ignore[no-any-return]  # has what mypy cannot see

    return made if cls is None else made(cls)
