"""Events are numbered, delivered in order, and a slow follower loses the oldest."""

import asyncio

import pytest

from remsimd.bus import Bus, Stamped
from remsimd.events import ModemGone, PartRunning
from tests import virtual


def test_an_event_published_by_a_listener_comes_after_the_one_that_caused_it() -> None:
    heard: list[tuple[int, object]] = []

    async def story() -> None:
        bus = Bus()

        def chain(stamped: Stamped) -> None:
            if stamped.event == PartRunning("first"):
                bus.publish(PartRunning("second"))

        with bus.listen(chain), bus.listen(lambda stamped: heard.append((stamped.seq, stamped.event))):
            bus.publish(PartRunning("first"))
        bus.publish(PartRunning("nobody hears"))

    virtual.run(story())
    assert heard == [(1, PartRunning("first")), (2, PartRunning("second"))]


def test_a_listener_that_raises_silences_nobody_for_good() -> None:
    heard: list[object] = []

    async def story() -> None:
        bus = Bus()

        def broken(stamped: Stamped) -> None:
            if stamped.event == PartRunning("first"):
                bus.publish(PartRunning("second"))
                raise RuntimeError("a bug")

        with bus.listen(broken), bus.listen(lambda stamped: heard.append(stamped.event)):
            with pytest.raises(RuntimeError):
                bus.publish(PartRunning("first"))
            bus.publish(PartRunning("third"))

    virtual.run(story())
    assert heard == [PartRunning("second"), PartRunning("third")]


def test_a_slow_follower_gets_the_newest_and_knows_what_it_lost() -> None:
    async def story() -> tuple[list[int], int]:
        bus = Bus()
        with bus.follow(maxlen=3) as follower:
            for _ in range(10):
                bus.publish(ModemGone("primary", "unplugged"))
            got = []
            async with asyncio.timeout(1):
                async for stamped in follower:
                    got.append(stamped.seq)
                    if len(got) == 3:
                        break
            return got, follower.lost

    assert virtual.run(story()) == ([8, 9, 10], 7)
