"""Texts for people in their language.

Texts are marked with `_()` in code and templates. A translation is a catalogue of GNU gettext at
`locale/<language>/LC_MESSAGES/ionmesh.mo` beside this module; without any, everything is English.
"""

from __future__ import annotations

import functools
import gettext
from pathlib import Path

from flask import Flask, g, has_request_context, request

_DOMAIN = "ionmesh"
_LOCALE = Path(__file__).with_name("locale")
_SOURCE = "en"


def install(app: Flask) -> None:
    """Give templates `_()`, `ngettext()` and `{% trans %}`, with variables escaped."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        translate, _plural, newstyle=True
    )


@functools.cache
def languages() -> frozenset[str]:
    """Return the languages there are."""
    found = (path.parent.parent.name for path in _LOCALE.glob(f"*/LC_MESSAGES/{_DOMAIN}.mo"))
    return frozenset({_SOURCE, *found})


def language() -> str:
    """Return the language of the request at hand, as its Accept-Language wishes."""
    if not has_request_context():
        return _SOURCE
    chosen: str = g.get("language", "")
    if not chosen:
        known = languages()
        wanted = (tag.partition("-")[0].lower() for tag, _quality in request.accept_languages)
        chosen = g.language = next((name for name in wanted if name in known), _SOURCE)
    return chosen


def translate(text: str) -> str:
    """Return a text in the language of the request."""
    return _catalogue(language()).gettext(text)


def mark(text: str) -> str:
    """Return the text as it is: it is translated where it is shown."""
    return text


def _plural(one: str, many: str, number: int) -> str:
    return _catalogue(language()).ngettext(one, many, number)


@functools.cache
def _catalogue(name: str) -> gettext.NullTranslations:
    return gettext.translation(_DOMAIN, _LOCALE, [name], fallback=True)
