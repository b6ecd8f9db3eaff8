import asyncio

import pytest

from remsimd.errors import SwitchError
from remsimd.rspro.presenter import Presenter
from tests.rspro.lab import Host
from tests.virtual import run

A, B = b"\x3b\x0a", b"\x3b\x0b"


async def _play(host: Host, *batches: list[bytes | str]) -> list[bytes | str]:
    """Wish each batch at once, while the calls for the batch before are still running."""
    presenter = Presenter(host)
    task = asyncio.create_task(presenter.run())
    for batch in batches:
        host.gate.clear()
        for wish in batch:
            if isinstance(wish, bytes):
                presenter.offer(wish)
            else:
                presenter.withdraw(wish)
        await asyncio.sleep(1)
    for _ in range(4):
        host.gate.set()
        await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    return host.calls


@pytest.mark.parametrize(
    ("batches", "calls"),
    [
        ([[A]], [A]),
        ([[A, A]], [A]),
        ([[A, B]], [B]),
        ([[A], [B]], [A, B]),
        ([[A], ["gone"]], [A, "gone"]),
        ([["gone"]], []),
        ([[A, "gone"]], []),
        ([[A], ["gone", A]], [A, "gone", A]),
        ([[A], ["gone", B, A]], [A, "gone", A]),
        ([[A], ["gone", A, "gone again"]], [A, "gone again"]),
        ([[A], [B], [A]], [A]),
        ([[A], ["gone"], [A]], [A, "gone", A]),
    ],
)
def test_the_latest_wish_wins_and_calls_do_not_overlap(
    batches: list[list[bytes | str]], calls: list[bytes | str]
) -> None:
    async def play() -> list[bytes | str]:
        return await _play(Host(), *batches)

    assert run(play()) == calls


def test_wishes_made_during_a_withdrawal_are_taken_together() -> None:
    async def play() -> list[bytes | str]:
        host = Host()
        presenter = Presenter(host)
        task = asyncio.create_task(presenter.run())
        presenter.offer(A)
        await asyncio.sleep(1)
        host.gate.clear()
        presenter.withdraw("gone")
        await asyncio.sleep(1)
        presenter.withdraw("gone again")
        presenter.offer(B)
        host.gate.set()
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        return host.calls

    assert run(play()) == [A, "gone", B]


def test_a_host_that_fails_is_told_the_next_wish() -> None:
    class Failing(Host):
        async def offer(self, atr: bytes) -> None:
            await super().offer(atr)
            raise SwitchError("the modem did not come back")

    async def play() -> list[bytes | str]:
        return await _play(Failing(), [A], ["gone"], [B])

    assert run(play()) == [A, "gone", B]
