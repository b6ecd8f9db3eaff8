"""docs/ionmesh.md has every setting of the server with its default, and every type of event."""

import re
from dataclasses import fields

from ionmesh.config import Config
from ionmesh.models import EventType
from tests.docs.pages import ROOT, text

PAGE = text(ROOT / "docs/ionmesh.md")
WORDS = {"none", "the address listened on"}
"""How the page says that there is no value."""


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = re.findall(r"^\| `IONMESH_(\w+)` \| (.+?) \|", PAGE, re.MULTILINE)
    shown = {name.lower(): "" if default in WORDS else default.strip("`") for name, default in rows}
    assert shown == {
        field.name: str(field.default or "") if field.default != 0 else "0" for field in fields(Config)
    }


def test_webhooks_types_of_events_are_all_named() -> None:
    assert [kind.value for kind in EventType if f"`{kind.value}`" not in PAGE] == []
