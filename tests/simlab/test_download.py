"""The download's two ends and the questions' two ends as real programs on loopback."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.download import sequence
from simlab.lab import free_port

HOST = "127.0.0.1"
RATE_BYTES_S = "4000000"


@given(st.integers(0, 1 << 34), st.integers(0, 64), st.integers(0, 64))
def test_the_sequence_is_the_same_from_wherever_it_is_read(offset: int, first: int, second: int) -> None:
    whole = sequence(offset, first + second)
    assert len(whole) == first + second
    assert whole == sequence(offset, first) + sequence(offset + first, second)


def test_the_sequence_counts_its_words() -> None:
    assert sequence(4, 8) == b"\0\0\0\1\0\0\0\2"
    assert sequence(0, 4) == sequence(4 << 32, 4), "a word is the lower half of its number"


@contextlib.contextmanager
def program(*words: str) -> Iterator[Iterator[str]]:
    """The lines that one of the programs prints, until it is told to end."""
    argv = [sys.executable, "-m", "simlab.download", *words]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield iter(child.stdout.readline, "")
        finally:
            child.terminate()


def told(lines: Iterator[str]) -> dict[str, Any]:
    return dict(json.loads(next(lines)))


def test_a_download_goes_on_where_it_stopped_with_another_server() -> None:
    port = str(free_port())
    with program("fetch", HOST, port) as lines:
        with program("serve", HOST, port, RATE_BYTES_S) as ready:
            assert next(ready) == "ready\n"
            first = told(lines)
            assert told(lines)["offset"] > first["offset"]
        with program("serve", HOST, port, RATE_BYTES_S) as ready:
            assert next(ready) == "ready\n"
            again = told(lines)
            while again["connections"] == first["connections"]:
                again = told(lines)
            assert again["offset"] > first["offset"]
            assert not again["wrong"]


@pytest.mark.parametrize("kind", ["ask", "new"])
def test_questions_are_answered_in_order(kind: str) -> None:
    port = str(free_port())
    with program("echo", HOST, port) as ready, program(kind, HOST, port, "0.01") as lines:
        assert next(ready) == "ready\n"
        answers = [told(lines) for _ in range(3)]
        assert all(answer["sent_s"] <= answer["at_s"] for answer in answers)
        assert [answer["sent_s"] for answer in answers] == sorted(answer["sent_s"] for answer in answers)
