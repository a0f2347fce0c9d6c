"""Dashboards and alert rules: files that Prometheus and Grafana take, about metrics that a gateway really has."""

from __future__ import annotations

import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.architecture.sources import ROOT
from tests.docs.test_docs import FAMILIES
from tests.support.gateway_process import GatewayProcess

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "weighbridge.rules.yaml"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not there: apt-get install prometheus")
NAME = re.compile(r"\bweighbridge_[a-z0-9_]+")
SUFFIXES = ("_bucket", "_sum", "_count")
# Of histograms, and what rules themselves record.
OWN_LABELS = {"le"}


def promtool(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROMTOOL or "", *words], input=given, capture_output=True, text=True, cwd=RULES.parent, check=False
    )


def rule_expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    for file in DASHBOARDS:
        board = orjson.loads(file.read_bytes())
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.name}: {panel['title']}", target["expr"]
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{file.name}: {variable['name']}", variable["query"]["query"]


EXPRESSIONS = [*rule_expressions(), *dashboard_expressions()]
RECORDED = {name for name, _ in rule_expressions() if ":" in name}


@pytest.fixture(scope="module")
def exposition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a running gateway tells Prometheus after a few calls."""
    gateway = GatewayProcess(tmp_path_factory.mktemp("deploy"), config="version: 1\n")
    try:
        for model in ("sim/echo", "sim/nothing-of-that-name"):
            gateway.post("/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "hello"}]})

        def told() -> str:
            with urllib.request.urlopen(f"{gateway.operator_url}/metrics") as answered:
                return answered.read().decode()

        yield told()
    finally:
        assert gateway.stop() == 0


def known(exposition: str) -> dict[str, str]:
    """Kinds of metrics by name."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE))


@pytest.mark.integration
def test_every_metric_of_a_rule_or_a_dashboard_exists(exposition: str) -> None:
    kinds = known(exposition)
    assert len(kinds) > 40
    for place, expression in EXPRESSIONS:
        without_recorded = expression
        for name in RECORDED:
            without_recorded = without_recorded.replace(name, "")
        for name in NAME.findall(without_recorded):
            stem = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
            assert name in kinds or kinds.get(stem) == "histogram", f"{place}: {name}"
            # A counter is looked at by how it grows, a histogram by its buckets.
            counts = kinds.get(name) == "counter"
            assert not counts or re.search(rf"(rate|increase|label_values)\({name}", without_recorded), (
                f"{place}: {name}"
            )


@pytest.mark.integration
@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_metrics(exposition: str) -> None:
    done = promtool("check", "metrics", given=exposition)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_promtool
def test_promtool_takes_the_rules_and_the_configuration() -> None:
    for words in (("check", "rules", RULES.name), ("check", "config", "prometheus.yaml")):
        done = promtool(*words)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_fire_when_they_should_and_not_when_a_worker_starts_anew() -> None:
    done = promtool("test", "rules", "weighbridge.test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_understands_what_dashboards_ask(tmp_path: Path) -> None:
    asked = [
        {"record": f"dashboard:{number}", "expr": re.sub(r"\$__(rate_interval|range)|\$\w+", "5m", expression)}
        for number, (_, expression) in enumerate(dashboard_expressions())
        if "label_values" not in expression
    ]
    assert len(asked) > 50
    file = tmp_path / "dashboards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": asked}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_asked_for_is_asked_by_labels_that_there_are() -> None:
    labels = {family.name: {*family.labels, *OWN_LABELS} for family in FAMILIES}
    for place, expression in EXPRESSIONS:
        names = [name for name in NAME.findall(expression) if name in labels or name.removesuffix("_bucket") in labels]
        if not names or any(name in expression for name in RECORDED):
            continue
        there = set().union(*(labels.get(name) or labels[name.removesuffix("_bucket")] for name in names))
        wanted = {each.strip() for found in re.findall(r"by \(([^)]*)\)", expression) for each in found.split(",")}
        wanted |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        assert wanted <= there, f"{place}: {wanted - there}"


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_one(file: Path) -> None:
    board: dict[str, Any] = orjson.loads(file.read_bytes())
    assert board["uid"].startswith("weighbridge-")
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers)) > 10
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        assert panel["type"] == "row" or panel["targets"]
    # Whoever loads it chooses the source.
    assert board["templating"]["list"][0]["type"] == "datasource"
