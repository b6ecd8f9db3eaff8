"""Coverage-guided fuzzing of what arrives from the network; not part of the test run.

    pip install atheris
    PYTHONPATH=. python tests/rspro/fuzz_codec.py -runs=1000000 [corpus folder]

An input is a stream of octets as a socket delivers it. Whatever it is, the deframer and the
decoder give values, or an RsproError; what was decoded can be encoded and decoded again.
"""

import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["remsimd.rspro"]):
    from remsimd.errors import RsproError
    from remsimd.rspro import codec, ipa

DATA = Path(__file__).parent / "data"


def one_input(data: bytes) -> None:
    """Deframe and decode; also decode the octets as they are, past the framing."""
    try:
        for frame in ipa.Deframer().feed(data):
            if frame.proto is ipa.Proto.OSMO:
                _decode(frame.body)
    except RsproError:
        pass
    _decode(data)


def _decode(data: bytes) -> None:
    try:
        value = codec.decode(data)
    except RsproError:
        return
    assert codec.decode(codec.encode(value)) == value


def write_seeds(folder: Path) -> None:
    """Every recorded PDU and frame."""
    seeds = [bytes.fromhex(entry["ber"]) for entry in json.loads((DATA / "pdus.json").read_text())]
    seeds += [ipa.rspro(seed) for seed in seeds]
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        write_seeds(Path(corpus))
        atheris.Setup([*sys.argv, corpus], one_input)
        atheris.Fuzz()
