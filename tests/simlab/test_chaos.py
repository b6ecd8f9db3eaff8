"""What a rage does and when it is over, with faults that harm nothing; test_lab has the real ones."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from simlab import chaos
from simlab.links import LabError
from simlab.process import ProgramError

WELL: dict[str, Any] = {
    "modems": {
        "primary": {"sim_source": "remote", "sim_switching_to": None, "registration": {"state": "roaming"}}
    },
    "links": {"secondary": {"health": "up"}},
    "active_link": "secondary",
    "rspro": {"state": "operational"},
    "ionmesh": {"state": "registered"},
}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("modems", "primary", "sim_source"), "local"),
        (("modems", "primary", "sim_switching_to"), "local"),
        (("modems", "primary", "registration"), None),
        (("modems", "primary", "registration"), {"state": "searching"}),
        (("links", "secondary", "health"), "suspect"),
        (("active_link",), None),
        (("rspro", "state"), "holding"),
        (("ionmesh", "state"), "unreachable"),
    ],
)
def test_a_router_is_well_when_nothing_is_amiss(place: tuple[str, ...], value: object) -> None:
    assert chaos.well(WELL)

    def changed(part: Any, way: tuple[str, ...]) -> Any:
        return {**part, way[0]: changed(part[way[0]], way[1:])} if way else value

    assert not chaos.well(changed(WELL, place))


class QuietLab:
    """A lab whose router is well at once, for as long as it may be."""

    world = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remsimd = self
        self.asked_for: list[str] = []
        self.said = ""

    async def start_router(self) -> None:
        (self.folder / "remsimd.log").write_text("starts with 2 modems\n")

    start_bank = start_ionmesh = start_router

    async def until(self, holds: Callable[[Any], bool], what: str, *, within_s: float) -> Any:
        self.asked_for.append(what)
        if self.said:
            raise LabError(f"not within {within_s:.0f} s: {what}")

    async def complain(self) -> None:
        (self.folder / "remsimd.log").write_text("Traceback (most recent call last)\n")


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QuietLab:
    made = QuietLab(tmp_path)
    monkeypatch.setattr(random.Random, "uniform", lambda *_: 0.0)
    return made


def sighs(monkeypatch: pytest.MonkeyPatch, strike: Callable[[], Any]) -> list[str]:
    """Three faults that do no more than `strike`; what happened of them."""
    happened: list[str] = []

    def fault(name: str) -> chaos.Fault:
        async def struck() -> None:
            happened.append(f"{name} struck")
            await strike()

        async def mended() -> None:
            happened.append(f"{name} mended")

        return chaos.Fault(name, struck, mended)

    monkeypatch.setattr(chaos, "faults", lambda lab: [fault(name) for name in "abc"])
    return happened


async def nothing() -> None:
    pass


async def test_every_fault_is_mended_and_asked_after_until_the_time_is_over(
    lab: QuietLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    happened = sighs(monkeypatch, nothing)
    count = await chaos.rage(lab, minutes=0.001, seed=7)  # type: ignore[arg-type] # as far as it is used
    assert count >= 1
    assert len(happened) == 2 * count
    assert happened.count("a struck") == happened.count("a mended")
    assert lab.asked_for[0] == "well at the start"
    assert lab.asked_for[-1].startswith("well again after: ")
    assert "well after" in capsys.readouterr().out


async def test_a_complaint_in_the_log_ends_it(lab: QuietLab, monkeypatch: pytest.MonkeyPatch) -> None:
    sighs(monkeypatch, lab.complain)
    with pytest.raises(LabError, match="the log has 'Traceback'"):
        await chaos.rage(lab, minutes=1, seed=1)  # type: ignore[arg-type] # as far as it is used


async def test_a_fault_that_is_not_survived_is_told(lab: QuietLab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def strike() -> None:
        lab.said = "ill"

    sighs(monkeypatch, strike)
    with pytest.raises(LabError, match=r"not within 150 s: well again after: [abc]"):
        await chaos.rage(lab, minutes=1, seed=1)  # type: ignore[arg-type] # as far as it is used


class Links:
    """The links of a world, and what was done to them."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, bool]] = []

    async def carrier(self, link: str, up: bool) -> None:
        self.done.append(("carrier", link, up))

    async def blackhole(self, link: str, on: bool) -> None:
        self.done.append(("blackhole", link, on))


async def test_links_are_broken_and_mended_each_for_itself(lab: QuietLab) -> None:
    lab.world = links = Links()  # type: ignore[assignment] # a lab with namespaces
    every = chaos.faults(lab)  # type: ignore[arg-type] # as far as it is used
    for fault in every:
        if fault.name.startswith("wwan"):
            await fault.strike()
            await fault.mend()
    assert links.done == [
        (kind, link, state)
        for link in ("wwan0", "wwan1")
        for kind, state in (("carrier", False), ("carrier", True), ("blackhole", True), ("blackhole", False))
    ]


def play(failure: Exception | None, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program, with a rage that ends at once; `temporary` gets its folder."""

    @contextlib.asynccontextmanager
    async def create(folder: Path, **_: object) -> AsyncIterator[QuietLab]:
        (folder / "remsimd.log").touch()
        yield QuietLab(folder)

    async def rage(lab: QuietLab, minutes: float, seed: int) -> int:
        await asyncio.sleep(0)
        if failure is not None:
            raise failure
        return round(minutes * 100 + seed)

    monkeypatch.setattr(chaos.Lab, "create", create)
    monkeypatch.setattr(chaos, "rage", rage)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setattr("sys.argv", ["chaos", "--minutes", "0.5", "--seed", "3"])
    chaos.main()


def test_the_program_tells_how_many_faults_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play(None, tmp_path, monkeypatch)
    assert capsys.readouterr() == ("53 faults survived\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failure", [LabError("not within 150 s: well again"), ProgramError("the bank")])
def test_the_program_tells_which_fault_and_where_its_logs_are(
    failure: Exception,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        play(failure, tmp_path, monkeypatch)
    assert ended.value.code == 1
    (folder,) = tmp_path.iterdir()
    assert capsys.readouterr() == ("", f"not survived: {failure}\nlogs: {folder}\n")
    assert (folder / "remsimd.log").exists()


def test_logs_are_kept_and_named_whatever_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ZeroDivisionError):
        play(ZeroDivisionError(), tmp_path, monkeypatch)
    (folder,) = tmp_path.iterdir()
    assert capsys.readouterr().err == f"logs: {folder}\n"
