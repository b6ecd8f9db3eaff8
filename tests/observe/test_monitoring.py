"""monitoring/: what is shipped for Grafana and Prometheus asks for names that the exporter has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2] / "monitoring"
GOLDEN = Path(__file__).parent / "golden" / "router.prom"
GOLDEN_OF_SERVER = Path(__file__).parents[1] / "ionmesh" / "golden" / "ionmesh.prom"
DASHBOARDS = sorted((ROOT / "grafana").glob("*.json"))
RULES = sorted((ROOT / "rules").glob("*.yml"))
RULE_TESTS = sorted((ROOT / "tests").glob("*.yml"))
OF_PROMETHEUS = {"up", "ALERTS"}
KEPT_PANELS = {"stat", "timeseries", "table", "bargauge", "state-timeline"}
"""Panel types used here; graph, singlestat and table-old were removed from Grafana."""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)"
)


def labels_of() -> dict[str, set[str]]:
    """Every sample name, and the labels with it, of the golden expositions of routers and server."""
    found: dict[str, set[str]] = {}
    for golden in (GOLDEN, GOLDEN_OF_SERVER):
        for family in text_string_to_metric_families(golden.read_text(encoding="utf-8")):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def exported() -> set[str]:
    return set(labels_of())


def names(expression: str) -> set[str]:
    """The metric names in a query."""
    bare = re.sub(r"\{[^}]*\}|\"[^\"]*\"|\[[^]]*\]", " ", expression)
    bare = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", bare)
    words = set(re.findall(r"(?<![\w$])[a-zA-Z_][\w:]*(?!\s*\()(?![\w:(])", bare))
    return words - {"or", "and", "unless", "by", "le"}


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_panel_asks_for_names_and_labels_that_are_exported(path: Path) -> None:
    known, labels = exported(), labels_of()
    for title, expression in expressions(json.loads(path.read_text(encoding="utf-8"))):
        found = names(expression)
        assert found, (title, expression)
        assert found - OF_PROMETHEUS <= known, (title, expression)
        for name, matchers in re.findall(r"(\w+)\{([^}]*)\}", expression):
            wanted = set(re.findall(r"(\w+)\s*(?:=~|!=|=)", matchers))
            assert name in OF_PROMETHEUS or wanted <= labels[name], (title, expression)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_can_be_imported(path: Path) -> None:
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    assert "dashboard" not in dashboard, "the import form has no wrapper"
    assert dashboard["id"] is None
    assert dashboard["uid"]
    assert dashboard["schemaVersion"] >= 39
    variables = {v["name"]: v for v in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    source = {"type": "prometheus", "uid": "${datasource}"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        assert panel["type"] in KEPT_PANELS, panel["title"]
        assert panel["datasource"] == source
        assert all(target["datasource"] == source for target in panel["targets"])
    assert not re.search(r"DS_|__inputs", json.dumps(dashboard))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_do_not_overlap(path: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def rules() -> Iterator[dict[str, Any]]:
    import yaml

    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def test_rules_ask_for_names_that_are_exported() -> None:
    for rule in rules():
        assert names(rule["expr"]) - OF_PROMETHEUS <= exported(), rule["expr"]


def test_the_documented_alerts_are_there() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert alerts >= {
        "RouterOffline",
        "WeakSignal",
        "HighFailoverRate",
        "AuthenticationFailures",
        "DataBudget",
        "RecoveryExhausted",
        "SimMismatch",
        "IonMeshUnreachable",
    }


def test_every_rule_is_tested() -> None:
    tested = "".join(path.read_text(encoding="utf-8") for path in RULE_TESTS)
    for rule in rules():
        assert rule.get("alert", rule.get("record")) in tested


@needs_promtool
def test_promtool_accepts_rules_and_exposition_and_the_rules_do_what_their_tests_say() -> None:
    for words in (("check", "rules", *RULES), ("test", "rules", *RULE_TESTS)):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    text = GOLDEN.read_text(encoding="utf-8")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if line.strip()]
    assert [line for line in complaints if not any(known in line for known in DEPRECATED)] == []


DEPRECATED = (
    "remsim_connection_latency_ms",
    "remsim_connection_packet_loss_percent",
    "remsim_system_cpu_percent",
)
"""Documented names in units that promtool advises against; each has a twin."""
