"""One router and one browser for all tests of the views."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

import simlab.lab
from modems.transcript import Transcript
from simlab.modems.emulator import load_script
from tests.openwrt.luci.stage import Stage, staged

HOSTILE = "<img src=x onerror=window.broken=1>"
"""The name of an operator, as any base station may send it (TS 24.008, 10.5.3.5a)."""


def hostile_script(name: str) -> Transcript:
    """A modem's script whose network has that name."""
    script = load_script(name)
    return Transcript({**script.values, "operator_0": HOSTILE, "operator_1": HOSTILE}, script.sections)


@pytest.fixture(scope="package")
def hostile_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simlab.lab, "load_script", hostile_script)
        yield


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def whole_stage(
    tmp_path_factory: pytest.TempPathFactory, hostile_network: None
) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("luci")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="package")
async def stage(whole_stage: Stage) -> AsyncIterator[Stage]:
    """The stage; a test fails where a page complained on its console."""
    whole_stage.errors.clear()
    whole_stage.rpcd.staged = None
    whole_stage.rpcd.told.clear()
    yield whole_stage
    assert whole_stage.errors == []
