"""Both computations against the conformance data, against each other, and against libosmocore."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from simlab.bank.auc import Auc
from simlab.bank.cards import CardData
from simlab.bank.milenage import Milenage, derive_opc, gsm_kc, gsm_sres

DATA = Path(__file__).parent / "data" / "milenage.txt"
SETS = [
    {name: bytes.fromhex(value) for name, value in map(str.split, block.splitlines())}
    for block in DATA.read_text().strip().split("\n\n")[1:]
]


@pytest.mark.parametrize("known", SETS, ids=[f"set {number}" for number in range(1, 7)])
def test_the_conformance_data(known: dict[str, bytes]) -> None:
    functions = Milenage(known["k"], known["opc"])
    rand, sqn, amf = known["rand"], known["sqn"], known["amf"]
    assert derive_opc(known["k"], known["op"]) == known["opc"]
    assert functions.f1(rand, sqn, amf) == known["f1"]
    assert functions.f1_star(rand, sqn, amf) == known["f1_star"]
    assert functions.f2(rand) == known["f2"]
    assert functions.f3(rand) == known["f3"]
    assert functions.f4(rand) == known["f4"]
    assert functions.f5(rand) == known["f5"]
    assert functions.f5_star(rand) == known["f5_star"]


def subscriber(source: random.Random) -> CardData:
    k, opc = source.randbytes(16), source.randbytes(16)
    return CardData(iccid="8988211000000000000", imsi="001010000000001", k=k, opc=opc, slot=0)


def test_the_home_network_and_the_card_compute_the_same() -> None:
    for seed in range(100):
        card = subscriber(random.Random(seed))
        challenge = Auc([card]).challenge(card.imsi)
        functions = Milenage(card.k, card.opc)
        sqn = bytes(a ^ b for a, b in zip(challenge.autn, functions.f5(challenge.rand), strict=False))
        assert functions.f1(challenge.rand, sqn, challenge.autn[6:8]) == challenge.autn[8:]
        assert functions.f2(challenge.rand) == challenge.xres
        assert functions.f3(challenge.rand) == challenge.ck
        assert functions.f4(challenge.rand) == challenge.ik


@pytest.mark.skipif(
    shutil.which("osmo-auc-gen") is None, reason="osmo-auc-gen (libosmocore-utils) is not here"
)
@pytest.mark.parametrize("seed", range(5))
def test_libosmocore_computes_the_same(seed: int) -> None:
    source = random.Random(seed)
    card, rand = subscriber(source), source.randbytes(16)
    argv = ["osmo-auc-gen", "-3", "-a", "milenage", "-k", card.k.hex(), "-o", card.opc.hex()]
    argv += ["-r", rand.hex(), "-s", "32", "-f", "8000"]
    output = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout
    theirs = dict(line.split(":\t") for line in output.splitlines() if ":\t" in line)
    functions = Milenage(card.k, card.opc)
    assert theirs["RES"] == functions.f2(rand).hex()
    assert theirs["CK"] == functions.f3(rand).hex()
    assert theirs["IK"] == functions.f4(rand).hex()
    assert theirs["SRES"] == gsm_sres(functions.f2(rand)).hex()
    assert theirs["Kc"] == gsm_kc(functions.f3(rand), functions.f4(rand)).hex()
    autn = bytes.fromhex(theirs["AUTN"])
    sqn = bytes(a ^ b for a, b in zip(autn, functions.f5(rand), strict=False))
    assert functions.f1(rand, sqn, autn[6:8]) == autn[8:]
