"""A model that is missing, damaged or too slow, through the whole gateway: ``on_error``, counted, and at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gateway.guards.models import catalog
from tests.integration.test_reload import write
from tests.support.gateway_run import CHAT, Answer, Gateway, ask, running, until
from tests.support.models import built_home

pytestmark = pytest.mark.integration

POLICY = """
    apiVersion: weighbridge/v1
    kind: Policy
    metadata: {name: people}
    detectors:
      strictly: {use: pii, entities: [PERSON]}
      kindly: {use: pii, entities: [PERSON]}
    on_error: {strictly: block, kindly: annotate}
    rules:
      - {id: no-people, match: {role: system}, when: strictly, do: block, mode: enforce}
      - {id: told-people, match: {role: user}, when: kindly, do: annotate, mode: enforce}
"""
CONFIG = """
    version: 1
    policies: {dir: rules, bundle: [people.yaml], reload: 10m, models: {timeout: %s}}
    capture: {bodies: none}
"""
# Much less than a hang, and enough for a machine with other things to do.
AT_ONCE_S = 20.0
TEXT = "My name is Maria Keller, and my neighbours are called Anna Schmidt and Peter Novak. "


def missing(models: Path) -> None:
    models.mkdir(parents=True)


def damaged(models: Path) -> None:
    shutil.copytree(catalog.folder(built_home()), models)
    path = models / "names.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def whole(models: Path) -> None:
    shutil.copytree(catalog.folder(built_home()), models)


def said(gateway: Gateway, role: str, text: str = TEXT) -> Answer:
    messages = [{"role": role, "content": text}, {"role": "assistant", "content": "Yes?"}]
    return ask(gateway.port, CHAT, {"model": "sim/echo", "messages": messages}, timeout_s=AT_ONCE_S)


def counted(gateway: Gateway, rule: str, action: str) -> float:
    return gateway.metric(f'weighbridge_guard_events_total{{rule="{rule}",action="{action}",mode="enforce"}}')


@pytest.mark.parametrize(
    ("prepare", "timeout", "text"),
    # A text of hundreds of windows takes seconds, of which it has a few milliseconds.
    [(missing, "2s", TEXT), (damaged, "2s", TEXT), (whole, "10ms", TEXT * 500)],
    ids=["missing", "damaged", "too slow"],
)
def test_a_model_that_fails_is_what_the_policy_says_and_is_counted(
    tmp_path: Path, prepare, timeout: str, text: str
) -> None:
    write(tmp_path / "rules" / "people.yaml", POLICY)
    prepare(tmp_path / "home" / "models")
    with running(tmp_path, operator=True, config=CONFIG % timeout) as gateway:
        refused = said(gateway, "system", text)
        assert (refused.status, refused.json()["error"]["code"]) == (400, "policy_blocked")
        passed = said(gateway, "user", text)
        assert (passed.status, passed.headers["x-weighbridge-verdict"]) == (200, "annotate")
        for answer, name, action in ((refused, "strictly", "block"), (passed, "kindly", "annotate")):
            (event,) = gateway.record_of(answer.id)["guard_events"]
            assert (event["rule"], event["detector"], event["action"]) == (f"on_error:{name}", name, action)
        until(lambda: counted(gateway, "on_error:strictly", "block") == 1)
        until(lambda: counted(gateway, "on_error:kindly", "annotate") == 1)
        # Whoever asks no model is served as ever, and the model is what fails, not the worker.
        assert said(gateway, "assistant").status == 200
        assert "Traceback" not in gateway.log


def test_a_model_that_is_there_counts_no_failure(tmp_path: Path) -> None:
    write(tmp_path / "rules" / "people.yaml", POLICY)
    whole(tmp_path / "home" / "models")
    with running(tmp_path, operator=True, config=CONFIG % "60s") as gateway:
        assert said(gateway, "system").status == 400
        assert said(gateway, "user").status == 200
        until(lambda: counted(gateway, "no-people", "block") >= 1)
        assert counted(gateway, "on_error:strictly", "block") == counted(gateway, "on_error:kindly", "annotate") == 0
