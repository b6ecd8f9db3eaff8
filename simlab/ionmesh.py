"""`ionmesh` commands one after the other in one process, so that what they import is loaded once.

Each line of stdin is one command, {"words": [...], "output": path or null}; what it prints goes into
the file `output`, which only its owner may read, or to stdout. The first one that fails ends it.
"""

import contextlib
import json
import os
import sys

import ionmesh.schema
import ionmesh.server  # noqa: F401 - loaded while the commands are not known yet
from ionmesh.cli import main


def execute(words: list[str], output: str | None) -> None:
    """Run one command; raises SystemExit, as the program does, where it fails."""
    with contextlib.ExitStack() as stack:
        if output is not None:
            private = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(os.fdopen(private, "w"))))
        try:
            main.main(words, prog_name="ionmesh")
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    for line in sys.stdin:
        execute(**json.loads(line))
