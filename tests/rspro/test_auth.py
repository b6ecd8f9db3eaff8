import pytest

from remsimd.rspro.auth import AuthWatch, Verdict

USIM = bytes.fromhex("0088008122") + bytes(34)
SIM = bytes.fromhex("a088000010") + bytes(16)
FETCH = bytes.fromhex("00c0000035")


def verdicts(*pairs: tuple[bytes, str]) -> list[Verdict]:
    watch, found = AuthWatch(), []
    for tpdu, answer in pairs:
        watch, verdict = watch.seen(tpdu, bytes.fromhex(answer))
        if verdict is not None:
            found.append(verdict)
    return found


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(SIM, "9f0c")], [(True, 0x9F0C)]),
        ([(SIM, "9804")], [(False, 0x9804)]),
        ([(USIM, "9862")], [(False, 0x9862)]),
        ([(USIM, "6982")], [(False, 0x6982)]),
        ([(USIM, "db0801020304050607089000")], [(True, 0x9000)]),
        ([(USIM, "dc0e01020304050607089000")], [(False, 0x9000)]),
        ([(USIM, "6135"), (FETCH, "db089000")], [(True, 0x6135)]),
        ([(USIM, "6110"), (FETCH, "dc0e9000")], [(False, 0x6110)]),
        ([(USIM, "610e"), (FETCH, "04aabbccdd9000")], [(True, 0x610E)]),
        ([(USIM, "6110"), (FETCH, "6c10"), (FETCH, "dc0e9000")], [(False, 0x6110)]),
        ([(USIM, "6135"), (bytes.fromhex("80f2000000"), "9000")], [(True, 0x6135)]),
        ([(USIM, "6135"), (SIM, "9f0c")], [(True, 0x9F0C)]),
        ([(FETCH, "dc0e9000")], []),
        ([(bytes.fromhex("00a40004023f00"), "6120")], []),
        ([(b"\x01" + USIM[1:], "6135"), (b"\x01" + FETCH[1:], "db089000")], [(True, 0x6135)]),
    ],
)
def test_the_verdict_follows_the_status_word_and_the_tag(
    pairs: list[tuple[bytes, str]], expected: list[tuple[bool, int]]
) -> None:
    assert [(verdict.ok, verdict.status_word) for verdict in verdicts(*pairs)] == expected
