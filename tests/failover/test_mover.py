"""The mover against routing that takes its time, and that does not let itself be removed."""

import asyncio

import pytest

from remsimd.errors import ControlError, RouteError
from remsimd.failover.links import Hop
from remsimd.failover.mover import Mover, Wanted
from remsimd.failover.routes import Route
from tests.failover.fakes import FakeRouting
from tests.virtual import run

WAY = Wanted("primary", Route("wan", "wwan0", Hop(None), None), "primary is up", 0.0)


class Slow(FakeRouting):
    """A kernel that answers after a minute, and refuses the removal."""

    async def move(self, route: Route) -> None:
        await asyncio.sleep(60)
        await super().move(route)

    async def remove(self) -> None:
        raise RouteError("ip: not permitted")


def test_a_move_that_takes_too_long_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        mover = Mover(Slow(), wanted=lambda: WAY, publish=lambda _: None)
        task = asyncio.create_task(mover.run())
        await asyncio.sleep(1)
        with pytest.raises(ControlError, match="not moved within 5 s"):
            await mover.arrived("primary")
        await asyncio.sleep(60)
        await mover.arrived("primary")
        assert mover.carrying == "primary"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(story())
    assert "routes and rules could not be removed: ip: not permitted" in caplog.text
