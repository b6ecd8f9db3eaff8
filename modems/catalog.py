"""Which driver serves which modem: the hand-written list."""

from modems.driver import Driver
from modems.drivers.fibocom import FibocomDriver
from modems.drivers.generic import GenericDriver
from modems.drivers.quectel import QuectelDriver
from modems.drivers.sierra import SierraDriver
from modems.models import MODELS, Bus, Model, find_model

__all__ = ["DRIVERS", "MODELS", "Bus", "Model", "driver_for", "driver_for_identity", "find_model"]

DRIVERS: tuple[type[Driver], ...] = (FibocomDriver, SierraDriver, QuectelDriver, GenericDriver)

# Words of AT+CGMI, and for modules sold under other names the beginnings of model names, that give the
# driver away; makers before models.
_MAKERS: tuple[tuple[str, type[Driver]], ...] = (
    ("quectel", QuectelDriver),
    ("sierra", SierraDriver),
    ("fibocom", FibocomDriver),
    *((word, FibocomDriver) for word in ("fm350", "l850", "l860")),
    *((word, SierraDriver) for word in ("em74", "em75", "em91", "mc74", "dw5811")),
    *((word, QuectelDriver) for word in ("rm50", "rg50", "ec25", "eg25", "bg96")),
)


def driver_for(name: str) -> type[Driver]:
    """Return the driver called `name`; raises ValueError that lists the names there are."""
    for driver in DRIVERS:
        if driver.name == name:
            return driver
    raise ValueError(f"no driver {name!r}: there are {', '.join(each.name for each in DRIVERS)}")


def driver_for_identity(manufacturer: str | None, model: str | None) -> type[Driver]:
    """Return the driver for what the modem calls itself, the generic one when nobody knows the name."""
    words = f"{manufacturer or ''} {model or ''}".lower()
    for word, driver in _MAKERS:
        if word in words:
            return driver
    return GenericDriver
