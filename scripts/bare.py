"""Python sources as a router needs them; used by build-ipk."""

import io
import itertools
import tokenize


def bare(source: bytes) -> bytes:
    """The source without comments and docstrings, every line where it was: tracebacks stay true.

    Nor are dataclasses frozen at run time, as asserts are not run under -O: the tests and mypy have
    seen that nobody assigns, and the two guards of each class take 6 KB of RAM and time at the start.
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
            edits.append((token.start, token.end, '""' + "\n" * (token.end[0] - token.start[0])))
        starts = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    for (first, left), (last, right), text in reversed(edits):
        lines[first - 1 : last] = [lines[first - 1][:left] + text + lines[last - 1][right:]]
    slim = "".join(lines)
    return "\n".join(line.rstrip() for line in slim.split("\n")).encode()
