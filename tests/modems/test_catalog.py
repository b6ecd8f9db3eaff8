"""The lists written by hand agree with each other."""

import pytest

from modems.catalog import DRIVERS, MODELS, Bus, driver_for, driver_for_identity, find_model
from modems.drivers.fibocom import FibocomDriver
from modems.drivers.generic import GenericDriver
from modems.drivers.quectel import QuectelDriver
from modems.drivers.sierra import SierraDriver


def test_every_model_names_a_driver_that_exists_and_no_identity_comes_twice() -> None:
    assert {row.driver for row in MODELS} <= {driver.name for driver in DRIVERS}
    identities = [(row.bus, row.vid, row.pid) for row in MODELS]
    assert len(set(identities)) == len(identities)
    assert all((row.at_interface is None) == (row.bus is Bus.PCI) for row in MODELS)


def test_an_unknown_driver_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match="fibocom, sierra, quectel, generic"):
        driver_for("huawei")


@pytest.mark.parametrize(
    ("manufacturer", "model", "driver"),
    [
        ("Quectel", "RM500Q-GL", QuectelDriver),
        ("Sierra Wireless, Incorporated", "EM7565", SierraDriver),
        ("Fibocom Wireless Inc.", "FM350-GL", FibocomDriver),
        ("Intel", "L850", FibocomDriver),
        ("Telit", "LM960", GenericDriver),
        (None, None, GenericDriver),
    ],
)
def test_the_driver_of_what_a_modem_calls_itself(
    manufacturer: str | None, model: str | None, driver: type[object]
) -> None:
    assert driver_for_identity(manufacturer, model) is driver


def test_models_are_found_by_bus_and_identity() -> None:
    found = find_model(Bus.USB, 0x2C7C, 0x0800)
    assert found is not None
    assert (found.name, found.at_interface) == ("Quectel RM500Q", 2)
    assert find_model(Bus.PCI, 0x2C7C, 0x0800) is None
    assert find_model(Bus.USB, 0x2C7C, 0xFFFF) is None
