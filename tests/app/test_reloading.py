from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from pathlib import Path

import pytest

from gateway.app.reloading import SWITCH_S, last_reload, prepare, report_of, sharing_the_interpreter, stamps
from gateway.config.environment import Options
from gateway.config.load import LoadResult, load_settings
from gateway.recording.policy_report import MAX_PROBLEMS
from tests.support.policies import many_rules

POLICY = """\
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: ours}
extends: [baseline]
lists: {hosts: {type: host, file: hosts.txt}}
detectors: {words: {use: pattern, patterns: [osprey]}}
rules: [{id: out, match: {direction: request}, when: words or keys, do: [redact, annotate], mode: enforce}]
exclusions: [{id: e, rule: out, match: {route: /v1/qa}, reason: r, ticket: t, expires: 2099-01-01}]
tests: [{name: bird, given: {role: user, text: an osprey}, expect: {rule: out}}]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.yaml").write_text(POLICY)
    (tmp_path / "policies" / "hosts.txt").write_text("a.example\n")
    (tmp_path / "weighbridge.yaml").write_text("version: 1\npolicies: {bundle: [ours.yaml]}\n")
    return tmp_path


def loading(home: Path):
    def load() -> LoadResult:
        return load_settings(Options(), {"WEIGHBRIDGE_HOME": str(home)}, home)

    return load


def test_what_is_sound_can_be_put_in_force(home: Path) -> None:
    prepared = prepare(loading(home), lambda _: ())
    assert prepared.problems == ()
    assert prepared.settings is not None
    assert prepared.policies is not None
    assert {path.name for path in prepared.paths} == {"ours.yaml", "baseline.yaml", "hosts.txt"}
    assert prepared.seconds > 0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("weighbridge.yaml", "version: 2\n", "weighbridge.yaml:1: version"),
        ("policies/ours.yaml", POLICY.replace("an osprey", "a kestrel"), "test 'bird': expected rule 'out'"),
        ("policies/ours.yaml", POLICY.replace("[osprey]", "['[a-z]{1,1000}']"), "Hyperscan refuses it"),
        ("policies/hosts.txt", "http://a\n", "policies/hosts.txt:1: should be a host"),
    ],
)
def test_what_is_not_is_told_and_watched(home: Path, name: str, text: str, said: str) -> None:
    (home / name).write_text(text)
    prepared = prepare(loading(home), lambda _: ())
    assert (prepared.settings, prepared.policies) == (None, None)
    assert said in " ".join(prepared.problems)
    if name.startswith("policies"):
        assert home / name in prepared.paths


def test_what_needs_a_restart_is_not_even_compiled(home: Path) -> None:
    (home / "policies" / "ours.yaml").write_text("nonsense")
    assert prepare(loading(home), lambda _: ["workers: a changed value needs a restart"]).problems == (
        "workers: a changed value needs a restart",
    )


def test_the_loop_goes_on_while_policies_are_made(home: Path) -> None:
    (home / "policies" / "ours.yaml").write_text(many_rules(60))

    async def scenario() -> int:
        turns = 0
        work = asyncio.get_running_loop().create_task(asyncio.to_thread(prepare, loading(home), lambda _: ()))
        while not work.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await work).problems == ()
        return turns

    # A loop that stood still would have had a turn before and one after.
    assert asyncio.run(scenario()) > 50


def test_the_interpreter_changes_hands_more_often_only_meanwhile() -> None:
    before = sys.getswitchinterval()
    with sharing_the_interpreter():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_S)
        assert not gc.isenabled()
    assert sys.getswitchinterval() == pytest.approx(before)
    assert gc.isenabled()
    gc.unfreeze()


def test_reloads_leave_nothing_behind(home: Path) -> None:
    """Objects are set aside from the collector, so what is dropped must go by itself."""
    (home / "policies" / "ours.yaml").write_text(many_rules(10))
    counts: list[int] = []
    for _ in range(4):
        prepare(loading(home), lambda _: ())
        counts.append(gc.get_freeze_count())
    gc.unfreeze()
    # The first ones fill caches.
    assert counts[3] - counts[2] < 2_000


def test_files_are_told_apart_by_time_and_size(home: Path) -> None:
    policy = home / "policies" / "ours.yaml"
    before = stamps([policy, None, home / "gone"])
    assert set(before) == {policy}
    os.utime(policy, ns=(1, 1))
    assert stamps([policy]) != before
    policy.unlink()
    assert stamps([policy]) == {}


def test_a_report_lists_what_is_in_force(home: Path) -> None:
    prepared = prepare(loading(home), lambda _: ())
    assert prepared.policies is not None
    report = report_of(prepared.policies)
    assert (report.tests, report.files) == (1, ("shipped/baseline.yaml", "policies/ours.yaml"))
    rule = report.rules[-1]
    assert (rule.id, rule.actions, rule.mode, rule.detectors) == (
        "out",
        ("redact", "annotate"),
        "enforce",
        ("words", "keys"),
    )
    assert (rule.direction, rule.exclusions, rule.file, rule.line) == (
        ("request",),
        {"e": 4_070_908_800},
        "policies/ours.yaml",
        7,
    )
    assert [(d.name, d.use, d.on_error) for d in report.detectors] == [
        ("keys", "secrets", "block"),
        ("words", "pattern", "block"),
    ]


def test_the_last_reload_is_told_within_bounds() -> None:
    assert last_reload([], 5, 0.1234).result == "applied"
    told = last_reload(["p"] * 500, 5, 0.1234)
    assert (told.result, len(told.problems), told.at_ms, told.seconds) == ("rejected", MAX_PROBLEMS, 5, 0.123)


def test_threads_are_not_left_behind(home: Path) -> None:
    before = threading.active_count()
    prepare(loading(home), lambda _: ())
    assert threading.active_count() == before
