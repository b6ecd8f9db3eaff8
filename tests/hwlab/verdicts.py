"""What the guest's JUnit file says, by test function. Pure."""

import xml.etree.ElementTree as ET
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How one test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Left out, or known to fail."""


@dataclass(frozen=True, slots=True)
class Case:
    """One test; `text` is why it failed or was skipped, `output` what was printed and logged meanwhile."""

    name: str
    verdict: Verdict
    text: str
    output: str


def parse(junit: str) -> dict[str, list[Case]]:
    """The cases of each function, as "check_gpio.py::test_name"; empty for a file that was not finished."""
    found: defaultdict[str, list[Case]] = defaultdict(list)
    for element in _root(junit).iter("testcase"):
        name = element.get("name", "")
        module = element.get("classname", "").rpartition(".")[2]
        found[f"{module}.py::{name.partition('[')[0]}"].append(_case(name, element))
    return dict(found)


def figures(junit: str) -> dict[str, str]:
    """What the tests recorded with `record_property`, by name."""
    return {
        each.get("name", ""): each.get("value", "")
        for element in _root(junit).iter("testcase")
        for each in element.iter("property")
    }


def _root(junit: str) -> ET.Element:
    try:
        return ET.fromstring(junit)
    except ET.ParseError:
        return ET.Element("testsuites")


def _case(name: str, element: ET.Element) -> Case:
    output = "\n".join(each.text or "" for tag in ("system-out", "system-err") for each in element.iter(tag))
    for tag, verdict in (
        ("failure", Verdict.FAILED),
        ("error", Verdict.FAILED),
        ("skipped", Verdict.SKIPPED),
    ):
        texts = [f"{each.get('message', '')}\n{each.text or ''}" for each in element.iter(tag)]
        if texts:
            return Case(name, verdict, "\n".join(texts), output)
    return Case(name, Verdict.PASSED, "", output)
