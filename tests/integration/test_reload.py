"""SIGHUP and changed files: another configuration in force, or the last good one."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from gateway.config.price_leaps import known_prices
from tests.support.gateway_run import Answer, Gateway, ask, environment, running, until

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    policies: {dir: rules, bundle: [words.yaml], reload: 200ms}
    capture: {bodies: none}
"""
# No file is looked at before a test has long ended: only SIGHUP counts.
BY_SIGNAL = CONFIG.replace("200ms", "10m")
POLICY = """
    apiVersion: weighbridge/v1
    kind: Policy
    metadata: {name: words}
    detectors:
      words: {use: pattern, patterns: ["%s"]}
    rules:
      - {id: no-word, match: {direction: request}, when: words, do: block, mode: enforce}
    tests:
      - {name: the word, given: {role: user, text: "say %s"}, expect: {rule: no-word, action: block}}
"""


def write(path: Path, text: str) -> None:
    """Replace a file in one step, as editors and config maps do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(textwrap.dedent(text))
    draft.replace(path)


def policy(folder: Path, pattern: str, sample: str = "") -> None:
    write(folder / "rules" / "words.yaml", POLICY % (pattern, sample or pattern))


def report(gateway: Gateway) -> dict:
    answer = ask(gateway.port, "/readyz?verbose")
    assert answer.status == 200
    return answer.json()


def reloads(gateway: Gateway, result: str) -> int:
    return gateway.counts()["config_reloads"].get(result, 0)


def hang_up(gateway: Gateway, result: str) -> None:
    """Send SIGHUP, and wait until it has come to this."""
    before = reloads(gateway, result)
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: reloads(gateway, result) > before)


def blocked(gateway: Gateway, text: str) -> bool:
    answer = gateway.chat(text=text)
    assert answer.status in {200, 400}
    return answer.status == 400


def test_a_changed_policy_file_is_in_force_soon_and_once(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, config=CONFIG) as gateway:
        first = gateway.chat().headers["x-weighbridge-policy"]
        assert (blocked(gateway, "an osprey"), blocked(gateway, "a kestrel")) == (True, False)
        policy(tmp_path, "kestrel")
        until(lambda: blocked(gateway, "a kestrel"))
        assert not blocked(gateway, "an osprey")
        second = gateway.chat()
        assert second.headers["x-weighbridge-policy"] != first
        assert gateway.record_of(second.id)["policy_revision"] == second.headers["x-weighbridge-policy"]
        gateway.next_counts()
        assert reloads(gateway, "applied") == 1


def test_calls_on_their_way_keep_what_they_began_with(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, config=BY_SIGNAL) as gateway:
        answers: list[Answer] = []
        slow = threading.Thread(
            target=lambda: answers.append(gateway.chat("sim/lorem?tokens=60&delay_ms=50", stream=True))
        )
        slow.start()
        until(lambda: gateway.counts()["in_flight"])
        policy(tmp_path, "kestrel")
        hang_up(gateway, "applied")
        assert blocked(gateway, "a kestrel")
        assert slow.is_alive()
        slow.join()
        assert answers[0].body.endswith(b"data: [DONE]\n\n")
        assert answers[0].body.count(b'"content"') == 61
        old, new = gateway.record_of(answers[0].id), gateway.record_of(gateway.chat().id)
        assert old["policy_revision"] != new["policy_revision"]
        assert (old["status"], old["error_code"]) == (200, "")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("weighbridge.yaml", CONFIG + "    colour: blue\n", "colour", id="unknown key"),
        pytest.param("weighbridge.yaml", "version: [", "weighbridge.yaml", id="no YAML"),
        pytest.param("rules/words.yaml", POLICY % ("(", "x"), "rules/words.yaml", id="no pattern"),
        pytest.param("rules/words.yaml", POLICY % ("osprey", "kestrel"), "the word", id="policy's own test fails"),
        pytest.param("weighbridge.yaml", CONFIG + "    workers: 2\n", "workers", id="needs a restart"),
    ],
)
def test_what_does_not_check_leaves_the_last_good_one_running(tmp_path: Path, name: str, text: str, said: str) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, config=BY_SIGNAL) as gateway:
        before = report(gateway)
        first = gateway.record_of(gateway.chat().id)
        write(tmp_path / name, text)
        hang_up(gateway, "rejected")
        after = report(gateway)
        last = after.pop("last_reload")
        assert after == before
        assert last["result"] == "rejected"
        assert said in " ".join(last["problems"])
        until(lambda: said in gateway.log)
        assert blocked(gateway, "an osprey")
        record = gateway.record_of(gateway.chat().id)
        assert record["config_hash"] == first["config_hash"] == before["config_hash"]
        assert record["policy_revision"] == first["policy_revision"]


def test_prices_that_leap_are_refused_and_taken_once_they_are_confirmed(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    prices, home = tmp_path / "prices.yaml", tmp_path / "home"
    write(prices, "- {provider: p, model: m, input: 0.6}\n")
    with running(tmp_path, config=CONFIG + "    prices: {overrides: prices.yaml}\n") as gateway:
        until(lambda: known_prices(home).accepted)
        before = report(gateway)["config_hash"]
        write(prices, "- {provider: p, model: m, input: 60}\n")
        until(lambda: reloads(gateway, "rejected"))
        told = report(gateway)
        assert told["config_hash"] == before
        assert "prices.yaml:1: " in (said := " ".join(told["last_reload"]["problems"]))
        assert "input goes from 0.6 to 60" in said
        check = [sys.executable, "-m", "gateway", "check", "--confirm-prices"]
        subprocess.run(check, cwd=tmp_path, env=environment(home), check=True, capture_output=True)
        until(lambda: reloads(gateway, "applied"))
        assert report(gateway)["config_hash"] != before
        until(lambda: known_prices(home).accepted[0].input_usd_mtok == 60)


def test_the_configuration_on_records_changes_when_one_is_applied(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, config=BY_SIGNAL) as gateway:
        first = gateway.record_of(gateway.chat().id)["config_hash"]
        write(tmp_path / "weighbridge.yaml", BY_SIGNAL.replace("none", "redacted"))
        assert gateway.record_of(gateway.chat().id)["config_hash"] == first
        hang_up(gateway, "applied")
        second = gateway.record_of(gateway.chat().id)
        assert second["config_hash"] == report(gateway)["config_hash"] != first
        assert "hello" in second["request_body"]
        assert report(gateway)["last_reload"] == {"result": "applied", "problems": []}


def test_a_file_that_is_gone_is_rejected_and_one_that_is_back_is_applied(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, config=CONFIG) as gateway:
        (tmp_path / "rules" / "words.yaml").unlink()
        until(lambda: reloads(gateway, "rejected"))
        assert blocked(gateway, "an osprey")
        policy(tmp_path, "kestrel")
        until(lambda: blocked(gateway, "a kestrel"))


def test_metrics_tell_how_reloads_went(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, operator=True, config=BY_SIGNAL) as gateway:
        hang_up(gateway, "applied")
        write(tmp_path / "weighbridge.yaml", "version: 7")
        hang_up(gateway, "rejected")
        for result in ("applied", "rejected"):
            assert gateway.metric(f'weighbridge_config_reloads_total{{result="{result}"}}') == 1


def test_the_operator_lists_what_is_in_force_and_what_was_rejected(tmp_path: Path) -> None:
    policy(tmp_path, "osprey")
    with running(tmp_path, operator=True, config=BY_SIGNAL) as gateway:
        before = until(lambda: found if (found := gateway.ask_operator("/api/policies").json())["workers"] else None)
        assert before["last_reload"]["result"] == "none"
        (rule,) = before["rules"]
        assert (rule["id"], rule["mode"], rule["actions"], rule["line"]) == ("no-word", "enforce", ["block"], 8)
        policy(tmp_path, "osprey", sample="kestrel")
        hang_up(gateway, "rejected")
        after = gateway.ask_operator("/api/policies").json()
        assert (after["revision"], after["rules"]) == (before["revision"], before["rules"])
        assert after["last_reload"]["result"] == "rejected"
        assert "the word" in after["last_reload"]["problems"][0]
        until(lambda: gateway.metric("weighbridge_config_last_reload_ok") == 0)


def test_a_file_that_a_policy_refers_to_is_watched(tmp_path: Path) -> None:
    base = POLICY % ("osprey", "osprey")
    write(tmp_path / "rules" / "base.yaml", base)
    write(
        tmp_path / "rules" / "words.yaml",
        "apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: w}\nextends: [base.yaml]\n",
    )
    with running(tmp_path, config=CONFIG) as gateway:
        assert blocked(gateway, "an osprey")
        write(tmp_path / "rules" / "base.yaml", base.replace("osprey", "kestrel"))
        until(lambda: blocked(gateway, "a kestrel"))
