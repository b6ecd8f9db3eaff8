"""The example of docs/adding-a-modem.md is run as it stands there."""

import re
from pathlib import Path

from modems import transcript
from modems.at.channel import Channel
from modems.driver import Driver
from modems.models import MODELS, Bus, Model
from modems.report import Value
from modems.survey import survey
from modems.transcript import ReplayPort
from tests import virtual

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-modem.md").read_text(encoding="utf-8")
EASY_LINES = 40


def block(starts: str) -> str:
    """Return the one fenced block of the page that begins with `starts`."""
    (found,) = [
        text for text in re.findall(r"```(?:python)?\n(.*?)```", PAGE, re.DOTALL) if text.startswith(starts)
    ]
    return str(found)


def test_the_driver_of_the_page_is_short_and_reads_the_answers_of_the_page() -> None:
    code = block('"""Quectel EC25')
    assert len(code.splitlines()) < EASY_LINES
    names: dict[str, type[Driver]] = {}
    exec(compile(code, "docs/adding-a-modem.md", "exec"), names)
    report: dict[str, Value] = {}

    async def run() -> None:
        async with Channel(ReplayPort(transcript.parse(block("> AT+QENG")))) as channel:
            report.update(await survey(names["Ec25Driver"](channel)))

    virtual.run(run())
    assert (report["rat"], report["mcc"], report["mnc"], report["band"]) == ("lte", "222", "01", "B3")
    assert (report["pci"], report["rsrp_dbm"], report["temperature_c"]) == (187, -93, 31)
    assert (report["sim_state"], report["iccid"], report["imsi"]) == (
        "ready",
        "89390100000000000175",
        "222011234567890",
    )


def test_the_row_of_the_page_is_in_the_catalog() -> None:
    row = eval(block("Model(").strip().rstrip(","), {"Model": Model, "Bus": Bus})
    assert row in MODELS
