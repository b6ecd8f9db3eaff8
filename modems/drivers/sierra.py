"""Sierra Wireless EM7565, EM9191, MC7455, EM7411."""

from typing import ClassVar

from modems.drivers.generic import GenericDriver


class SierraDriver(GenericDriver):
    """TS 27.007 plus AT!GSTATUS and its family."""

    name: ClassVar[str] = "sierra"
