"""Command lines as the pages have them, parsed as the programs would parse them and not run."""

import itertools
import shlex
from collections.abc import Iterator
from typing import Any

import click

import ionmesh.cli
import remsimd.cli.control
import remsimd.cli.daemon

PROGRAMS: dict[str, click.Command] = {
    "remsimd": remsimd.cli.daemon.main,
    "remsimctl": remsimd.cli.control.main,
    "ionmesh": ionmesh.cli.main,
}


def of_programs(line: str) -> Iterator[list[str]]:
    """The calls of our programs in a line of shell: their words, without comments and redirections."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    for ends, words in itertools.groupby(reader, key=lambda word: set(word) <= set(";|&<>()")):
        if ends:
            continue
        call = list(itertools.dropwhile(lambda word: "=" in word, words))
        if call and call[0] in PROGRAMS:
            yield call


def understood(words: list[str], *, whole: bool = True) -> None:
    """Raise `click.UsageError` for what the program would refuse; not `whole`: arguments may be missing."""
    command, rest = PROGRAMS[words[0]], words[1:]
    context = click.Context(command, info_name=words[0], **command.context_settings)
    while True:
        values, rest, _ = command.make_parser(context).parse_args(list(rest))
        for parameter in command.params:
            _take(parameter, values.get(parameter.name or ""), context, whole=whole)
        if not isinstance(command, click.Group) or not rest:
            break
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
        context = click.Context(found, info_name=name, parent=context, **found.context_settings)
    if rest:
        raise click.UsageError(f"left over: {rest}", context)
    if whole and isinstance(command, click.Group) and not command.invoke_without_command:
        raise click.UsageError("no command", context)


def _take(parameter: click.Parameter, value: Any, context: click.Context, *, whole: bool) -> None:
    given = [
        each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, str)
    ]
    asked_for = getattr(parameter, "prompt", None)
    if whole and parameter.required and not given and not asked_for:
        raise click.MissingParameter(ctx=context, param=parameter)
    for each in given:
        if not isinstance(parameter.type, click.Path | click.File):
            parameter.type.convert(each, parameter, context)
        if parameter.callback is not None:
            parameter.callback(context, parameter, each)
