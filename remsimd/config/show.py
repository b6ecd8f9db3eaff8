"""The effective configuration as JSON, for people and scripts."""

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from remsimd.config.model import Config, GpioLine, Match, ProbeTarget

_MASK = "***"
_AS_TEXT = (GpioLine, Match, ProbeTarget)


def to_json(config: Config) -> dict[str, Any]:
    """The configuration with every default filled in, as values `json.dumps` takes.

    Keys are the model's field names, units included. The API key is masked, and of a webhook
    address only scheme and host are shown, because its path is often a secret.
    """
    return _mapping(config)


def _mapping(part: Any) -> dict[str, Any]:
    return {entry.name: _value(entry.name, getattr(part, entry.name)) for entry in fields(part)}


def _value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name == "api_key":
        return _MASK
    if name == "webhook":
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.hostname}/{_MASK}"
    if isinstance(value, tuple):
        return [_value(name, item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, _AS_TEXT):
        return _mapping(value)
    return str(value)
