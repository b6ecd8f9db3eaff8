"""A lab for the tests of a folder: bank, orchestrator and modems run once, each test its own router."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simlab.lab import Lab
from simlab.modems.state import ModemState


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder: Path = tmp_path_factory.mktemp("lab")
    async with Lab.create(folder, namespaces=False) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="module")
async def lab(shared_lab: Lab) -> AsyncIterator[Lab]:
    """The lab with everything well and no router running; a test that breaks something mends it."""
    yield shared_lab
    await shared_lab.router.end()
    shared_lab.primary.set_state(ModemState.REGISTERED)
    shared_lab.secondary.set_state(ModemState.REGISTERED)


def on_the_remote_card(status: dict[str, Any]) -> bool:
    """The primary uses the bank's card and is not on its way to another one."""
    modem = status["modems"]["primary"]
    moving = modem["sim_switching_to"] is not None
    return modem["sim_source"] == "remote" and not moving and status["rspro"]["state"] == "operational"
