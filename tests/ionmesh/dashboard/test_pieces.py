"""Figures, moments, links of lists, texts and tokens, each by itself."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from ionmesh.dashboard import alert_words, assets, csrf, forms, i18n, listing, shapes, texts, wording
from ionmesh.dashboard.listing import Listing
from ionmesh.models import AlertKind, EventType, MappingMode
from ionmesh.services.commands import CommandType

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (5.5e9, "5.5 GB"),
        (10**18, "1000000 TB"),
    ],
)
def test_bytes_are_decimal(count: float | None, text: str) -> None:
    assert shapes.octets(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (90_000, "1 d")],
)
def test_spans_are_in_their_largest_unit(seconds: float, text: str) -> None:
    assert shapes.span(timedelta(seconds=seconds)) == text
    assert f">{text}<" in shapes.ago(NOW - timedelta(seconds=seconds), NOW)


@pytest.mark.parametrize(
    ("rsrp", "bars"), [(None, None), (-130, 0), (-125, 1), (-110.5, 2), (-95, 4), (-60, 4)]
)
def test_signal_has_up_to_four_bars(rsrp: float | None, bars: int | None) -> None:
    assert shapes.bars(rsrp) == bars


def test_figures_and_moments_that_are_not_there_are_dashes() -> None:
    assert "never" in shapes.ago(None, NOW)
    assert "&ndash;" in shapes.moment(None)
    assert "&ndash;" in shapes.figure(None)
    assert str(shapes.figure(-97.0, "dBm")) == "-97&nbsp;dBm"
    assert 'datetime="2026-01-01T12:00:00Z"' in shapes.moment("2026-01-01T12:00:00Z")


@given(total=st.integers(0, 2000), page=st.integers(1, 60))
def test_pages_of_a_list_cover_it_once(total: int, page: int) -> None:
    shown = Listing(total=total, page=page)
    rows = list(range(total))[shown.offset : shown.offset + shown.per_page]
    if rows:
        assert (shown.first, shown.last) == (rows[0] + 1, rows[-1] + 1)
    assert shown.last <= total


def test_links_of_a_list_keep_what_they_do_not_change(app: Flask) -> None:
    with app.test_request_context("/clients?q=a+b&sort=slot&order=desc&page=3"):
        shown = Listing(500, 3, 50, "slot", descending=True, filters={"q": "a b"})
        assert shown.next == "/clients?q=a+b&sort=slot&order=desc&page=4"
        assert shown.previous == "/clients?q=a+b&sort=slot&order=desc&page=2"
        assert shown.sorted_by("slot") == "/clients?q=a+b&sort=slot"
        assert shown.sorted_by("client") == "/clients?q=a+b&sort=client"
        assert listing.requested({}, ("client", "slot")) == Listing(page=3, sort="slot", descending=True)


@given(st.text())
def test_only_paths_of_this_site_are_local(path: str) -> None:
    if forms.is_local(path):
        assert path[0] == "/"
        assert path[1:2] not in ("/", "\\")
        assert "\n" not in path
        assert "\t" not in path


def test_tokens_of_different_secrets_differ() -> None:
    assert csrf.token("a") != csrf.token("b")
    assert len(csrf.token("\udcff")) == 64


def test_assets_are_kept_for_ever_under_their_own_name_only(app: Flask) -> None:
    http = app.test_client()
    kept = http.get(f"/assets/{assets.version()}/js/main.js", buffered=True)
    assert "immutable" in kept.headers["Cache-Control"]
    assert kept.mimetype in ("text/javascript", "application/javascript")
    assert http.get("/assets/other/js/main.js", buffered=True).headers["Cache-Control"] == "no-cache"
    for name in ("../gate.py", "js/../../gate.py", "%2e%2e/gate.py", "nothing.js"):
        assert http.get(f"/assets/x/{name}").status_code == 404


def test_a_catalogue_beside_the_code_is_used(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "ionmesh.mo").write_bytes(
        compiled({"": "Content-Type: text/plain; charset=UTF-8\n", "Sign in": "Anmelden"})
    )
    monkeypatch.setattr(i18n, "_LOCALE", tmp_path)
    forget_languages()
    http = app.test_client()
    german = http.get("/sign-in", headers={"Accept-Language": "de-DE, en;q=0.5"}).text
    assert "<h1>Anmelden</h1>" in german
    assert '<html lang="de"' in german
    assert "<h1>Sign in</h1>" in http.get("/sign-in", headers={"Accept-Language": "fr"}).text
    forget_languages()


def forget_languages() -> None:
    i18n._catalogue.cache_clear()
    i18n.languages.cache_clear()


def compiled(texts: dict[str, str]) -> bytes:
    """A catalogue as gettext's msgfmt writes it."""
    pairs = sorted((key.encode(), value.encode()) for key, value in texts.items())
    ids, values = b"".join(key + b"\0" for key, _ in pairs), b"".join(value + b"\0" for _, value in pairs)
    start, index, id_at, value_at = 28 + 16 * len(pairs), b"", 0, 0
    later = b""
    for key, value in pairs:
        index += struct.pack("<II", len(key), start + id_at)
        later += struct.pack("<II", len(value), start + len(ids) + value_at)
        id_at, value_at = id_at + len(key) + 1, value_at + len(value) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return head + index + later + ids + values


def test_every_code_has_a_name(app: Flask) -> None:
    with app.test_request_context("/"):
        assert {kind.value for kind in EventType} == set(wording.event_names())
        assert {kind.value for kind in AlertKind} == {value for value, _ in alert_words.alert_kinds()}
        assert {mode.value for mode in MappingMode} == {value for value, _ in wording.mode_names()}
        assert all(wording.command_name(kind.value) != kind.value for kind in CommandType)


def test_texts_of_code_and_templates_are_collected() -> None:
    found = texts.collect()
    assert ("Sign in",) in found
    assert ("went offline",) in found, "marked in code"
    assert ("%(first)s to %(last)s of %(total)s",) in found
    assert 'msgid "Client offline"' in texts.template()
    for wrong in (("",), ()):
        assert wrong not in found


@pytest.mark.parametrize("reported", [None, [], "x", {"a": 1}, {"a": None}, 7])
def test_links_that_are_none_are_none(reported: object) -> None:
    assert wording.links(reported) == []
