"""Policies that change under load: whole or not at all, and without anybody waiting for it."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.test_reload import BY_SIGNAL, hang_up, write
from tests.support.figures import SOAK, measured, slowness
from tests.support.gateway_run import Gateway, running
from tests.support.policies import many_rules

pytestmark = pytest.mark.integration

CLIENTS, ROUNDS = 3, 12 if SOAK else 4
# Two rules a version: a call that met half of one would have both words redacted, or none.
VERSION = """
    apiVersion: weighbridge/v1
    kind: Policy
    metadata: {name: words}
    detectors:
      one: {use: pattern, patterns: ["%s"]}
      two: {use: pattern, patterns: ["%s"]}
    rules:
      - {id: first, match: {direction: request}, when: one, do: redact, mode: enforce}
      - {id: second, match: {direction: response}, when: two, do: redact, mode: enforce}
    tests:
      - {name: it does, given: {role: user, text: "%s"}, expect: {rule: first, action: redact}}
"""
EARLY = VERSION % ("alpha", "beta", "alpha")
LATE = VERSION % ("gamma", "delta", "gamma")
BAD = VERSION % ("alpha", "delta", "nothing of the kind")
TEXT = "alpha beta gamma delta"
SEEN = {"[ONE] [TWO] gamma delta", "alpha beta [ONE] [TWO]"}


def policy(folder: Path, text: str) -> None:
    write(folder / "rules" / "words.yaml", text)


def test_no_call_sees_half_a_policy(tmp_path: Path) -> None:
    policy(tmp_path, EARLY)
    with running(tmp_path, config=BY_SIGNAL) as gateway:
        stop = threading.Event()
        found: Counter[tuple[str, str]] = Counter()

        def ask() -> None:
            while not stop.is_set():
                answer = gateway.chat(text=TEXT)
                assert answer.status == 200
                text = answer.json()["choices"][0]["message"]["content"]
                found[answer.headers["x-weighbridge-policy"] or "", text] += 1

        clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(ROUNDS):
            for text, result in ((BAD, "rejected"), (LATE, "applied"), (BAD, "rejected"), (EARLY, "applied")):
                policy(tmp_path, text)
                hang_up(gateway, result)
        stop.set()
        for client in clients:
            client.join()
        revisions = {revision for revision, _ in found}
        assert {text for _, text in found} == SEEN
        assert len(revisions) == len(found) == 2


def latencies(gateway: Gateway, until_s: float | None, done: threading.Event | None) -> list[float]:
    times: list[float] = []
    while (until_s is not None and time.perf_counter() < until_s) or (done is not None and not done.is_set()):
        began = time.perf_counter()
        assert gateway.chat().status == 200
        times.append(time.perf_counter() - began)
        time.sleep(0.002)
    return times


@pytest.mark.slow
def test_what_a_reload_of_two_hundred_rules_costs(tmp_path: Path) -> None:
    policy(tmp_path, many_rules(200))
    with running(tmp_path, config=BY_SIGNAL) as gateway:
        quiet = latencies(gateway, time.perf_counter() + 2, None)
        seconds: list[float] = []
        during: list[float] = []
        for number in range(3):
            policy(tmp_path, many_rules(200, f"x{number}"))
            done = threading.Event()
            client = threading.Thread(target=lambda done=done: during.extend(latencies(gateway, None, done)))
            client.start()
            hang_up(gateway, "applied")
            done.set()
            client.join()
            seconds.append(gateway.policies()["last_reload"]["seconds"])
        added_ms = 1000 * (statistics.quantiles(during, n=100)[98] - statistics.quantiles(quiet, n=100)[98])
        factor = max(1.0, slowness())
        measured("reload of 200 rules, s", max(seconds))
        measured("this machine is slower by", f"{factor:.2f}; a reload may take {factor:.2f} s")
        measured("added latency while it happens, 99th percentile, ms", added_ms)
        measured("calls meanwhile", len(during))
        assert len(during) > 10
        if SOAK:
            assert max(seconds) <= factor
            assert added_ms <= 5
