"""What the pages point to is there: links, anchors, pictures, files, commands, options."""

import importlib.util
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from remsimd.config import uci
from remsimd.config.options import TABLES
from tests.docs.commandline import PROGRAMS, of_programs, understood
from tests.docs.pages import PAGES, ROOT, blocks, name, prose, text

EVERY = pytest.mark.parametrize("page", PAGES, ids=name)
README_LINES = 170
TARGET = re.compile(r"\]\(([^)\s]+)\)|<img\s+src=\"([^\"]+)\"")
CODE = re.compile(r"`([^`\n]+)`")
FILE = re.compile(
    r"(?:docs|ionmesh|modems|monitoring|openwrt|remsimd|scripts|simlab|tests)/[\w./-]*\w(?:/|\.\w+)?|[A-Z]+\.md"
)
MODULE = re.compile(r"(?:python3? -m )((?:ionmesh|modems|remsimd|simlab|tests)[\w.]*)")


def targets(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead within the tree."""
    for found in TARGET.finditer(prose(page)):
        target = found[1] or found[2]
        if not re.match(r"https?://", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The names that a page's headings get where it is shown."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page):
        path, _, anchor = target.partition("#")
        other = (page.parent / path).resolve() if path else page
        assert other.exists(), target
        assert other.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(other), target


def test_every_page_is_found_from_the_readme() -> None:
    linked = {(ROOT / target.partition("#")[0]).resolve() for target in targets(ROOT / "README.md")}
    assert [name(page) for page in PAGES if page not in linked and page.name != "README.md"] == []


def test_every_picture_is_shown() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in targets(page)}
    pictures = [*ROOT.glob("docs/images/*.png"), *ROOT.glob("docs/images/*.svg")]
    assert [picture.name for picture in pictures if picture not in shown] == []


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/images/*.svg")), ids=lambda path: path.name)
def test_a_drawing_has_a_title_and_colours_for_the_dark(picture: Path) -> None:
    drawing = ET.parse(picture).getroot()
    svg = "{http://www.w3.org/2000/svg}"
    title = drawing.find(f"{svg}title")
    assert title is not None
    assert title.text
    styles = "".join(style.text or "" for style in drawing.iter(f"{svg}style"))
    light, _, dark = styles.partition("prefers-color-scheme: dark")
    used = {word for element in drawing.iter() for word in element.get("class", "").split()}
    assert used <= set(re.findall(r"\.([\w-]+)", light))
    inked = {word for word in used if re.search(rf"\.{word}\b[^}}]*: #(?:1|4a)", light)}
    assert inked <= set(re.findall(r"\.([\w-]+)", dark)), "dark on dark"


@EVERY
def test_files_and_modules_it_names_are_there(page: Path) -> None:
    for code in CODE.findall(prose(page)):
        if FILE.fullmatch(code):
            assert any(list(base.glob(code)) for base in (ROOT, page.parent)), code
    for module in MODULE.findall(text(page)):
        assert importlib.util.find_spec(module) is not None, module
    for script in re.findall(r"\bscripts/([\w-]+(?:\.py)?)", text(page)):
        assert (ROOT / "scripts" / script).exists() or (ROOT / "scripts" / f"{script}.d").exists(), script


@EVERY
def test_command_lines_are_those_of_the_programs(page: Path) -> None:
    for block in blocks(page):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if re.search(r"\b(remsimd|remsimctl|ionmesh) ", line) and not line.startswith(("\t", "config ")):
                check(line, whole=True)


@EVERY
def test_commands_in_a_sentence_are_those_of_the_programs(page: Path) -> None:
    for code in CODE.findall(prose(page)):
        if re.match(r"(remsimd|remsimctl|ionmesh) (?![\d'])", code):
            check(code, whole=False)


def check(line: str, *, whole: bool) -> None:
    for words in of_programs(line):
        try:
            understood(words, whole=whole)
        except click.UsageError as error:
            pytest.fail(f"{line}: {error.format_message()}")


@EVERY
def test_options_in_configurations_are_known(page: Path) -> None:
    for block in blocks(page):
        if not block.startswith("config "):
            continue
        for section in uci.parse(block).sections:
            known = {row.option for row in TABLES[section.type].rows}
            assert {option.name for option in section.options} <= known


@pytest.mark.parametrize("program", ["remsimctl", "ionmesh"])
def test_the_readme_names_every_command(program: str) -> None:
    (row,) = re.findall(rf"^\| `{program}` \| (.*) \|$", text(ROOT / "README.md"), re.MULTILINE)
    commands = PROGRAMS[program]
    assert isinstance(commands, click.Group)
    assert set(CODE.findall(row)) - {"--json"} == set(commands.commands)


def test_the_hardware_table_says_what_is_emulated_and_what_is_plugged_into_a_real_kernel() -> None:
    def models(names: str) -> set[str]:
        return {name.lower() for name in re.findall(r"\b([A-Z]+\d+[A-Z]?)(?:-GL)?\b", names)}

    plugged, emulated = re.findall(
        r"^\| (.+) \| yes \| yes \| (?:yes|no) \| no \|$", text(ROOT / "README.md"), re.MULTILINE
    )
    compositions = text(ROOT / "tests/hwlab/guest/compositions.py")
    assert models(plugged) == models(" ".join(re.findall(r'Composition\(\s*"([^"]+)"', compositions)))
    scripts = {path.stem.partition("-")[2] for path in ROOT.glob("simlab/modems/scripts/*-*.txt")}
    assert models(plugged) | models(emulated) == scripts


def test_the_readme_is_short() -> None:
    assert len(text(ROOT / "README.md").splitlines()) <= README_LINES
