"""Half a minute of random faults, always the same ones; `python -m simlab.chaos` goes on for longer."""

import os
from pathlib import Path

import pytest

from simlab.chaos import SETTINGS, rage
from simlab.lab import Lab, namespaces_possible


@pytest.mark.timeout(240)
async def test_a_router_survives_random_faults(tmp_path: Path) -> None:
    async with Lab.create(
        tmp_path / "lab", namespaces=namespaces_possible(), prefix=f"chaos{os.getpid()}", settings=SETTINGS
    ) as lab:
        assert await rage(lab, minutes=0.5, seed=7) > 3
