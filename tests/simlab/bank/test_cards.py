import json
from pathlib import Path

import pytest

from simlab.bank.cards import as_json, generate, load

CARD = {
    "iccid": "8988211000000000001",
    "imsi": "001010000000001",
    "k": "00" * 16,
    "opc": "11" * 16,
    "slot": 3,
}


def test_generated_cards_follow_from_the_seed_and_differ() -> None:
    cards = generate(50, seed=4)
    assert cards == generate(50, seed=4)
    assert cards != generate(50, seed=5)
    assert [card.slot for card in cards] == list(range(50))
    assert len({card.imsi for card in cards}) == len({card.iccid for card in cards}) == 50
    assert all(card.imsi.startswith("00101") and len(card.imsi) == 15 for card in cards)


def test_generated_iccids_have_a_good_check_digit() -> None:
    for card in generate(50, seed=4):
        doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(card.iccid))]
        assert sum(d // 10 + d % 10 for d in doubled) % 10 == 0


def test_cards_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "cards.json"
    cards = generate(2, seed=1)
    path.write_text(json.dumps([as_json(card) for card in cards]))
    assert load(path) == cards


def test_keys_are_not_shown() -> None:
    (card,) = generate(1, seed=1)
    assert card.k.hex() not in repr(card)
    assert str(card.k) not in repr(card)


@pytest.mark.parametrize(
    "change",
    [{"k": "00"}, {"opc": "zz"}, {"iccid": "89"}, {"imsi": "12345x789"}, {"slot": "one"}, {"k": None}],
)
def test_a_card_that_cannot_be_used_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "cards.json"
    path.write_text(json.dumps([CARD, CARD | change]))
    with pytest.raises(ValueError, match="card 1"):
        load(path)
