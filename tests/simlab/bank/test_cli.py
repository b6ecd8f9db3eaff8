import json
import signal
import subprocess
import sys
from pathlib import Path

from simlab.bank.cards import as_json, generate

FREE_PORTS = ["--server-port", "0", "--rest-port", "0", "--bankd-port", "0"]


def test_the_bank_says_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    path.write_text(json.dumps([as_json(card) for card in generate(2, seed=9)]))
    argv = [sys.executable, "-m", "simlab.bank", *FREE_PORTS, "--cards", str(path), "--bank-id", "7"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as bank:
        assert bank.stdout is not None
        ready = json.loads(bank.stdout.readline())
        bank.send_signal(signal.SIGTERM)
        assert bank.wait(timeout=20) == 0
    assert ready["ready"] is True
    assert (ready["bank_id"], ready["slots"]) == (7, 2)
    assert all(0 < ready[name] < 65536 for name in ("server_port", "rest_port", "bankd_port"))


def test_generated_cards_are_printed_before_the_ready_line() -> None:
    argv = [sys.executable, "-m", "simlab.bank", *FREE_PORTS]
    argv += ["--slots", "2", "--seed", "5", "--print-cards"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as bank:
        assert bank.stdout is not None
        lines = [json.loads(bank.stdout.readline()) for _ in range(3)]
        bank.send_signal(signal.SIGINT)
        assert bank.wait(timeout=20) == 0
    assert lines[:2] == [as_json(card) for card in generate(2, seed=5)]
    assert lines[2]["ready"] is True


def test_a_card_file_that_cannot_be_read_ends_it(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "simlab.bank", *FREE_PORTS, "--cards", str(tmp_path / "none.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "none.json" in done.stderr
