"""Python sources as a router needs them; used by build-ipk."""

import ast
import io
import itertools
import tokenize

_DOCSTRING = "."


def bare(source: bytes) -> bytes:
    """The source without comments and docstrings, every line where it was: tracebacks stay true.

    Nor are dataclasses frozen at run time, as asserts are not run under -O: the tests and mypy have
    seen that nobody assigns, and the two guards of each class take 6 KB of RAM and time at the start.
    Each has a docstring of one character, for which it would be given its signature.
    """
    source = source.replace(b"@dataclass(frozen=True", b"@dataclass(unsafe_hash=True")
    lines = source.decode().splitlines(keepends=True)
    starts = True
    tokens = [token for token in tokenize.tokenize(io.BytesIO(source).readline) if token.type != tokenize.NL]
    edits = []
    for token, following in itertools.pairwise(tokens):
        if token.type == tokenize.COMMENT:
            edits.append((token.start, token.end, ""))
        elif (
            token.type == tokenize.STRING
            and starts
            and following.type in (tokenize.NEWLINE, tokenize.COMMENT)
        ):
            edits.append((token.start, token.end, f'"{_DOCSTRING}"' + "\n" * (token.end[0] - token.start[0])))
        starts = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    for (first, left), (last, right), text in reversed(edits):
        lines[first - 1 : last] = [lines[first - 1][:left] + text + lines[last - 1][right:]]
    slim = _documented("".join(lines))
    return "\n".join(line.rstrip() for line in slim.split("\n")).encode()


def _documented(source: str) -> str:
    """The source with a docstring in each dataclass that begins with a field."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef) or ast.get_docstring(node, clean=False) is not None:
            continue
        first = node.body[0]
        if any(_is_dataclass(decorator) for decorator in node.decorator_list) and _is_field(first):
            line = lines[first.lineno - 1]
            lines[first.lineno - 1] = f'{line[: first.col_offset]}"{_DOCSTRING}"; {line[first.col_offset :]}'
    return "\n".join(lines)


def _is_dataclass(decorator: ast.expr) -> bool:
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(name, ast.Name) and name.id == "dataclass"


def _is_field(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.AnnAssign)
