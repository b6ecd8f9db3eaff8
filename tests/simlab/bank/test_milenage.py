"""Both computations against the conformance data, against each other, and against libosmocore."""

import random
import shutil
import subprocess

import pytest

from simlab.bank.auc import Auc
from simlab.bank.cards import CardData
from simlab.bank.milenage import Milenage, derive_opc, gsm_kc, gsm_sres

FIELDS = ("k", "rand", "sqn", "amf", "op", "opc", "f1", "f1_star", "f2", "f5", "f3", "f4", "f5_star")
# TS 35.207 4: test sets 1 to 6.
SETS = [
    dict(zip(FIELDS, map(bytes.fromhex, line.split()), strict=True))
    for line in (
        "465b5ce8b199b49faa5f0a2ee238a6bc 23553cbe9637a89d218ae64dae47bf35 ff9bb4d0b607 b9b9 "
        "cdc202d5123e20f62b6d676ac72cb318 cd63cb71954a9f4e48a5994e37a02baf 4a9ffac354dfafb3 "
        "01cfaf9ec4e871e9 a54211d5e3ba50bf aa689c648370 b40ba9a3c58b2a05bbf0d987b21bf8cb "
        "f769bcd751044604127672711c6d3441 451e8beca43b",
        "0396eb317b6d1c36f19c1c84cd6ffd16 c00d603103dcee52c4478119494202e8 fd8eef40df7d af17 "
        "ff53bade17df5d4e793073ce9d7579fa 53c15671c60a4b731c55b4a441c0bde2 5df5b31807e258b0 "
        "a8c016e51ef4a343 d3a628ed988620f0 c47783995f72 58c433ff7a7082acd424220f2b67c556 "
        "21a8c1f929702adb3e738488b9f5c5da 30f1197061c1",
        "fec86ba6eb707ed08905757b1bb44b8f 9f7c8d021accf4db213ccff0c7f71a6a 9d0277595ffc 725c "
        "dbc59adcb6f9a0ef735477b7fadf8374 1006020f0a478bf6b699f15c062e42b3 9cabc3e99baf7281 "
        "95814ba2b3044324 8011c48c0c214ed2 33484dc2136b 5dbdbb2954e8f3cde665b046179a5098 "
        "59a92d3b476a0443487055cf88b2307b deacdd848cc6",
        "9e5944aea94b81165c82fbf9f32db751 ce83dbc54ac0274a157c17f80d017bd6 0b604a81eca8 9e09 "
        "223014c5806694c007ca1eeef57f004f a64a507ae1a2a98bb88eb4210135dc87 74a58220cba84c49 "
        "ac2cc74a96871837 f365cd683cd92e96 f0b9c08ad02e e203edb3971574f5a94b0d61b816345d "
        "0c4524adeac041c4dd830d20854fc46b 6085a86c6f63",
        "4ab1deb05ca6ceb051fc98e77d026a84 74b0cd6031a1c8339b2b6ce2b8c4a186 e880a1b580b6 9f07 "
        "2d16c5cd1fdf6b22383584e3bef2a8d8 dcf07cbd51855290b92a07a9891e523e 49e785dd12626ef2 "
        "9e85790336bb3fa2 5860fc1bce351e7e 31e11a609118 7657766b373d1c2138f307e3de9242f9 "
        "1c42e960d89b8fa99f2744e0708ccb53 fe2555e54aa9",
        "6c38a116ac280c454f59332ee35c8c4f ee6466bc96202c5a557abbeff8babf63 414b98222181 4464 "
        "1ba00a1a7c6700ac8c3ff3e96ad08725 3803ef5363b947c6aaa225e58fae3934 078adfb488241a57 "
        "80246b8d0186bcf1 16c8233f05a0ac28 45b0f69ab06c 3f8c7587fe8e4b233af676aede30ba3b "
        "a7466cc1e6b2a1337d49d3b66e95d7b4 1f53cd2b1113",
    )
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
