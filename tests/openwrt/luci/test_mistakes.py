"""Every mistake a person can make in the settings form, against what `remsimd --check` says of the same.

Each round puts a wrong value into every field at once, as the daemon tells all mistakes at once, too.
"""

import ast
import inspect
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from click.testing import CliRunner
from playwright.async_api import Page, expect

from remsimd.cli.daemon import main as remsimd
from remsimd.config import checks
from tests.openwrt.luci.stage import Stage
from tests.openwrt.luci.test_settings import choose, save, written
from tests.openwrt.luci.wrong import (
    CONTRADICTIONS,
    EVERYTHING,
    OUT_OF_REACH,
    PARTS,
    in_rounds,
    kind,
    rows,
    with_values,
    wrong_numbers,
    wrong_texts,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")

FILL = """values => {
    for (const [ section, option, value ] of values) {
        const node = document.querySelector(`[data-field="cbid.remsim.${section}.${option}"]`);
        const input = node.querySelector('input, select');
        if (input.type == 'checkbox')
            input.checked = value == '1';
        else {
            node.querySelectorAll('.item').forEach(item => value == '' ? item.remove() : null);
            input.value = value;
        }
        input.dispatchEvent(new Event('change', { bubbles: true }));
    }
}"""
VISIBLE = """() => [ ...document.querySelectorAll('[data-field]') ]
    .filter(node => !node.classList.contains('hidden')).map(node => node.dataset.field)"""
TOOLTIPS = """() => Object.fromEntries([ ...document.querySelectorAll('[data-field]') ]
    .map(node => [ node.dataset.field, node.querySelector('[data-tooltip]')?.dataset.tooltip ])
    .filter(([ , told ]) => told != null))"""
MARKED = """() => [ ...document.querySelectorAll('.remsimd-mistake') ]
    .map(node => [ node.textContent, node.closest('[data-field]')?.dataset.field ?? null ])"""


TITLES = {"modem": "Modems", "alert": "Alerts"}
ONLY_FOR = {
    "usb_path": ("reader", "usb_path"),
    "usb_interface": ("reader", "usb_interface"),
    "host": ("virtual", "host"),
    "port": ("virtual", "port"),
}
"""Options of one type of frontend, with the section in which they are tried."""


def place(section: str, option: str) -> str:
    return f"cbid.remsim.{section}.{option}"


def said_by_the_program(text: str, folder: Path) -> dict[str, tuple[str, str | None]]:
    """The lines of `remsimd --check`, without those of the file, with the place of each."""
    file = folder / "checked"
    file.write_text(text)
    ended = CliRunner().invoke(remsimd, ["--check", "--config", str(file)])
    lines = [re.sub(r" \(line \d+\)$", "", line[2:]) for line in ended.output.splitlines()[1:]]
    assert (ended.exit_code == 1) == bool(lines), ended.output
    found = {}
    for line in lines:
        section, option = re.match(r"(@?\w+(?:\[\d+\])?)(?:\.(\w+))?", line).groups()  # type: ignore[union-attr]
        found[line] = (section, option)
    return found


async def marked(page: Page) -> dict[str, str | None]:
    """The mistakes that the form shows, once each, with the field at which each stands."""
    await expect(page.locator(".remsimd-mistake").first).to_be_visible()
    shown = await page.evaluate(MARKED)
    assert len({text for text, _ in shown}) == len(shown)
    return dict(shown)


@pytest_asyncio.fixture(loop_scope="package", autouse=True)
async def everything(stage: Stage) -> AsyncIterator[None]:
    """The form shows EVERYTHING; the daemon's own configuration comes back."""
    text = stage.rpcd.file.read_text()
    stage.rpcd.file.write_text(EVERYTHING)
    stage.rpcd.calls.clear()
    stage.rpcd.drafts.clear()
    yield
    stage.rpcd.file.write_text(text)


async def test_every_option_is_tried_with_wrong_values(stage: Stage) -> None:
    """What the rounds below are worth: each option that has wrong values is visible, and has some."""
    async with stage.page("settings") as page:
        visible = set(await page.evaluate(VISIBLE))
    for section, row in rows("integer", "decimal", "text", "secret"):
        made = wrong_numbers(row) if kind(row) in ("integer", "decimal") else wrong_texts(row)
        assert len(made) >= 2, f"{section}.{row.option}"
        # Those are for a modem that the remote card is never shown to.
        if (section, row.option) != ("secondary", "sim_select_line") and row.option not in ONLY_FOR:
            assert place(section, row.option) in visible
    for section, option in ONLY_FOR.values():
        assert place(section, option) in visible


async def test_numbers_out_of_type_or_bounds_have_the_programs_words_at_once(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.page("settings") as page:
        visible = set(await page.evaluate(VISIBLE))
        for values in in_rounds(wrong_numbers, "integer", "decimal"):
            tried = [each for each in values if place(each[0], each[1]) in visible]
            await page.evaluate(FILL, tried)
            said = said_by_the_program(with_values(EVERYTHING, tried), tmp_path)
            expected = {
                place(section, option): line.partition(f"{option} = ")[2].partition(": ")[2]
                for line, (section, option) in said.items()
                if option is not None and (section, option) in {each[:2] for each in tried}
            }
            assert len(expected) == len(tried)
            assert await page.evaluate(TOOLTIPS) == expected
        await save(page)
        await expect(page.get_by_text("some values are not allowed")).to_be_visible()
    assert stage.rpcd.drafts == []
    assert written(stage.rpcd.calls) == []


@pytest.mark.parametrize("running", [True, False], ids=["daemon", "program"])
async def test_texts_of_the_wrong_shape_have_the_programs_words_at_their_option(
    stage: Stage, tmp_path: Path, running: bool
) -> None:
    """Of the running daemon, and of its program while it does not run."""
    there = stage.rpcd.socket
    told = 0
    try:
        if not running:
            stage.rpcd.socket = tmp_path / "nothing.sock"
        async with stage.page("settings") as page:
            visible = set(await page.evaluate(VISIBLE))
            for number, values in enumerate(in_rounds(wrong_texts, "text", "secret")[: 8 if running else 2]):
                # With an url, the older options beside it are hidden.
                hidden = ("url",) if number % 2 else ()
                tried = [each for each in values if place(*each[:2]) in visible and each[1] not in hidden]
                await page.evaluate(FILL, tried)
                await save(page)
                await expect(page.get_by_role("button", name="Save", exact=True)).to_be_enabled()
                said = said_by_the_program(stage.rpcd.drafts[-1], tmp_path)
                shown = await marked(page)
                assert set(shown) == set(said)
                still_visible = set(await page.evaluate(VISIBLE))
                for line, (section, option) in said.items():
                    if option is not None and place(section, option) in still_visible:
                        assert shown[line] == place(section, option)
                told += len(said)
                await page.evaluate(FILL, [("ionmesh", "url", "")])
    finally:
        stage.rpcd.socket = there
    assert told > (250 if running else 60)
    assert written(stage.rpcd.calls) == []


async def test_words_that_are_no_choice_are_shown_and_refused_at_their_option(
    stage: Stage, tmp_path: Path
) -> None:
    """The form offers none, but the file may hold one."""
    words = [(section, row.option, "sideways") for section, row in rows("choice")]
    stage.rpcd.file.write_text(with_values(EVERYTHING, words))
    async with stage.page("settings") as page:
        visible = set(await page.evaluate(VISIBLE))
        await save(page)
        shown = await marked(page)
    said = said_by_the_program(stage.rpcd.drafts[-1], tmp_path)
    assert set(shown) == set(said)
    for section, option, _ in words:
        if place(section, option) in visible:
            assert place(section, option) in shown.values(), option
    assert len(shown) >= len({option for _, option, _ in words if option != "sim_select_remote"})


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_what_does_not_fit_together_has_the_programs_words(
    stage: Stage, tmp_path: Path, name: str
) -> None:
    case = CONTRADICTIONS[name]
    async with stage.page("settings") as page:
        if case.added is not None:
            type_, section = case.added
            await choose(page, TITLES[type_])
            await page.locator(f"#cbi-remsim-{type_} input[aria-label=Name]").fill(section)
            await page.locator(f"#cbi-remsim-{type_}").get_by_role("button", name="Add").click()
            await expect(page.locator(f"#cbi-remsim-{section}")).to_be_visible()
            stage.rpcd.calls.clear()
        await page.evaluate(FILL, case.values)
        await save(page)
        if name == "no-metric":
            told = await page.evaluate(TOOLTIPS)
            said = said_by_the_program(
                with_values(EVERYTHING + "config alert 'hot'\n", case.values), tmp_path
            )
            assert list(said) == [f"hot.metric: {told[place('hot', 'metric')]}"]
            assert case.words[0] in told[place("hot", "metric")]
            return
        shown = await marked(page)
        said = said_by_the_program(stage.rpcd.drafts[-1], tmp_path)
        assert set(shown) == set(said)
        visible = set(await page.evaluate(VISIBLE))
        for line, (section, option) in said.items():
            where = place(section, option or "")
            assert shown[line] == (where if where in visible else None)
        for words in case.words:
            assert any(words in line for line in said)
    assert written(stage.rpcd.calls) == []


async def test_no_check_of_the_daemon_is_left_out() -> None:
    """Each sentence of remsimd.config.checks is among the contradictions."""
    tree = ast.parse(inspect.getsource(checks))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name != "warnings"]
    sentences = {
        node.value
        for function in functions
        for statement in function.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 14
    }
    assert len(sentences) > 20
    expected = " ".join(words for case in CONTRADICTIONS.values() for words in case.words)
    left_out = {
        sentence
        for sentence in sentences - OUT_OF_REACH
        if sentence.strip()[:30] not in expected and sentence not in PARTS
    }
    assert left_out == set()
    assert sentences >= OUT_OF_REACH
