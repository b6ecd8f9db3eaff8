"""Fibocom FM350-GL (MediaTek) and L850-GL (Intel)."""

from typing import ClassVar

from modems.drivers.generic import GenericDriver


class FibocomDriver(GenericDriver):
    """TS 27.007 plus what the two platforms say in their own commands."""

    name: ClassVar[str] = "fibocom"
