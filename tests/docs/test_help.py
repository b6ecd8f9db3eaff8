"""`--help` of every program and command: nothing without words, nothing cut short, 80 columns."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from remsimd.observe import eventlog
from tests.docs.commandline import PROGRAMS, of_programs, understood
from tests.docs.pages import ROOT

COLUMNS = 80
MODULES = ("simlab.demo", "simlab.bank", "simlab.chaos", "simlab.router")
SCRIPTS = [
    path
    for path in sorted((ROOT / "scripts").iterdir())
    if path.is_file() and "argparse.ArgumentParser(" in path.read_text(encoding="utf-8")
]


def commands(
    command: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and everything below it, each with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*words, name))


COMMANDS = dict(found for name, program in PROGRAMS.items() for found in commands(program, (name,)))
EVERY = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


def shown(words: tuple[str, ...]) -> str:
    result = CliRunner().invoke(
        PROGRAMS[words[0]], [*words[1:], "--help"], prog_name=words[0], terminal_width=COLUMNS
    )
    assert result.exit_code == 0, result.output
    return result.output


@EVERY
def test_a_command_says_in_a_sentence_what_it_does(words: tuple[str, ...]) -> None:
    help_ = COMMANDS[words].help
    assert help_, "no docstring"
    first = help_.strip().split("\n\n")[0]
    assert re.fullmatch(r"[A-Z][a-z]+,? .+\.", first, re.DOTALL), first


@EVERY
def test_every_option_has_words(words: tuple[str, ...]) -> None:
    options = [option for option in COMMANDS[words].params if isinstance(option, click.Option)]
    silent = [option.name for option in options if not option.help or not re.match(r"[A-Z0-9]", option.help)]
    assert silent == []


@EVERY
def test_every_argument_is_spoken_of(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    for argument in command.params:
        if isinstance(argument, click.Argument):
            context = click.Context(command, **command.context_settings)
            choices = argument.type.choices if isinstance(argument.type, click.Choice) else ()
            for word in choices or argument.make_metavar(context).split("|"):
                assert word.strip("[]{}") in (command.help or ""), word


@EVERY
def test_help_fits_a_terminal_and_nothing_is_cut_short(words: tuple[str, ...]) -> None:
    output = shown(words)
    assert max(map(len, output.splitlines())) <= COLUMNS
    assert not re.search(r"(?m)^  [\w-]+ +.*\.\.\.$", output), "a command's sentence is too long for the list"


@EVERY
def test_an_example_is_a_command_line_that_is_understood(words: tuple[str, ...]) -> None:
    text = re.sub(r" *\\\n *", " ", COMMANDS[words].help or "")
    for line in text.splitlines():
        example = re.match(r" *(?:Example: )?((?:remsimd|remsimctl|ionmesh) .*?)(?:  .*)?$", line)
        if example and "xample" in text:
            (call,) = of_programs(example[1])
            understood(call)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_tells_its_exit_statuses(program: str) -> None:
    assert "Exit status: 0 " in shown((program,)).replace("\n", " ")


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_also_had_by_h(program: str) -> None:
    assert CliRunner().invoke(PROGRAMS[program], ["-h"]).exit_code == 0


def test_the_kinds_of_the_timeline_are_those_that_there_are() -> None:
    source = ast.parse(Path(eventlog.__file__).read_text(encoding="utf-8"))
    kinds = {
        node.value.elts[0].value
        for node in ast.walk(source)
        if isinstance(node, ast.Return)
        and isinstance(node.value, ast.Tuple)
        and isinstance(node.value.elts[0], ast.Constant)
        and isinstance(node.value.elts[0].value, str)
    }
    _, _, after = shown(("remsimctl", "events")).partition("Kinds: ")
    assert [kind.strip() for kind in after.partition(".")[0].split(",")] == sorted(kinds)


@pytest.mark.parametrize(
    "argv",
    [*(["-m", module] for module in MODULES), *([str(script)] for script in SCRIPTS)],
    ids=lambda argv: Path(argv[-1]).name,
)
def test_other_programs_have_help_too(argv: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, *argv, "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": str(COLUMNS)},
    )
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= COLUMNS
    options = result.stdout.partition("\noptions:\n")[2]
    assert options
    lines = options.partition("\n\n")[0].splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.match(r"  -", line):
            assert re.search(r"\S  +\S", line) or following.startswith("        "), f"no words: {line}"
