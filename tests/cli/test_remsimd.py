"""`remsimd --check`, and what it says of a configuration that is wrong or does nothing."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from remsimd.cli.daemon import main

GOOD = """
config remsim 'main'
	option enabled '1'
	option typo 'x'

config modem 'primary'
"""


def check(tmp_path: Path, text: str, *words: str) -> Result:
    path = tmp_path / "remsim"
    path.write_text(text)
    return CliRunner().invoke(main, ["--config", str(path), *words])


def test_a_good_file_has_no_mistakes_and_its_warnings_are_told(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD, "--check")
    assert result.exit_code == 0
    assert "no mistakes" in result.stdout
    assert "main.typo: unknown option, ignored" in result.stderr


def test_the_effective_configuration_is_json(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD, "--check", "--json")
    assert json.loads(result.stdout)["modems"][0]["poll_interval_s"] == 10


@pytest.mark.parametrize("words", [("--check",), ()])
def test_every_mistake_is_said_and_nothing_is_started(tmp_path: Path, words: tuple[str, ...]) -> None:
    text = GOOD + "\toption role 'third'\n\toption poll_interval '1'\n"
    result = check(tmp_path, text, *words)
    assert result.exit_code == 1
    assert "2 mistakes, nothing started" in result.output
    assert "primary.role = 'third'" in result.output
    assert "primary.poll_interval = '1'" in result.output


def test_a_configuration_that_is_switched_off_starts_nothing(tmp_path: Path) -> None:
    result = check(tmp_path, GOOD.replace("enabled '1'", "enabled '0'"))
    assert result.exit_code == 0
    assert "enabled is 0, nothing to do" in result.stderr
