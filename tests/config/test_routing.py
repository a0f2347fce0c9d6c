"""The section ``models``: what it may hold, by name and line."""

from __future__ import annotations

import pytest

from tests.config.test_schema import problems_of

ONE = "models: [{alias: m, candidates: [{provider: a}], "
TWO = "models: [{alias: m, candidates: [{provider: a, arm: x}, {provider: b}], "
CANARY = "models: [{alias: m, candidates: [{provider: a}, {provider: b, canary: 5%}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ONE + "strategy: when-rules}]", "models[0]: strategy when-rules goes by `when`, and no candidate has one"),
        (TWO + "split: {arms: {x: 50%, y: 50%}}}]", "models[0]: no candidate is of the arm 'y'"),
        (TWO + "split: {arms: {x: 50%, y: 40%}}}]", "models[0].split: the shares of the arms should add up to 100%"),
        (TWO + "split: {arms: {x: 100%}}}]", "models[0].split: should have two arms or more"),
        (TWO + "split: {arms: {z: 50%, y: 50%}}}]", "models[0]: the split has no arm 'x'"),
        (TWO + "split: {sticky_by: moon, arms: {x: 50%, y: 50%}}}]", "models[0].split.sticky_by: should be 'key'"),
        (TWO + "}]", "models[0]: arm needs a split"),
        ("models: [{alias: m, candidates: [{provider: a, canary: 5%}]}]", "models[0]: a canary needs a candidate"),
        (CANARY + ", {provider: c, canary: 5%}]}]", "models[0]: one candidate can be the canary"),
        (CANARY + ", {provider: c, arm: x}]}]", "models[0]: canary is a split of its own"),
        (CANARY + "], split: {arms: {x: 50%, y: 50%}}}]", "models[0]: canary is a split of its own"),
        (CANARY.replace("5%", "150%") + "]}]", "models[0].candidates[1].canary"),
        (ONE + "strategy: fastest}]", "models[0].strategy: should be"),
        (ONE + "retry: {on: [418]}}]", "models[0].retry.on[0]: should be"),
        (ONE + "retry: {attempts: 11}}]", "models[0].retry.attempts: should be less than or equal to 10"),
        (ONE + "retry: {attempts: -1}}]", "models[0].retry.attempts: should be greater than or equal to 0"),
        (ONE + "breaker: {share: 150%}}]", "models[0].breaker.share:"),
        (ONE + "breaker: {open: 5}}]", "models[0].breaker.open: should be a duration with its unit"),
        (ONE + "continue: {times: 11}}]", "models[0].continue.times: should be less than or equal to 10"),
        (ONE + "continue: {by: force}}]", "models[0].continue.by: should be"),
        (ONE + "continue: 3}]", "models[0].continue"),
        (ONE + "queue: {length: 10001}}]", "models[0].queue.length: should be less than or equal to 10000"),
        (ONE + "queue: {wait: 6m}}]", "models[0].queue.wait: should be less than or equal to 300"),
        (ONE + "queue: {by: model}}]", "models[0].queue.by: should be"),
        (ONE + "outlier: {below: 0%}}]", "models[0].outlier.below: should be greater than 0"),
        (ONE + "probe: {every: 500ms}}]", "models[0].probe.every: should be greater than or equal to 1"),
        (ONE + "probe: {timeout: 6m}}]", "models[0].probe.timeout: should be less than or equal to 300"),
        (ONE + "probe: {max_tokens: 0}}]", "models[0].probe.max_tokens: should be greater than or equal to 1"),
        (ONE + "probe: {max_cost_usd_per_day: -1}}]", "models[0].probe.max_cost_usd_per_day: should be greater than"),
        (ONE + "probe: {prompt: hi}}]", "models[0].probe.prompt: unknown key"),
        ("models: [{alias: m, candidates: [{provider: a, weight: 0}]}]", "models[0].candidates[0].weight: should be"),
        ("models: [{alias: m, candidates: [{provider: a, concurrency: 0}]}]", "models[0].candidates[0].concurrency"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, problem: str) -> None:
    found = problems_of(text)
    assert [message for message in found if message.startswith(f"w:2: {problem}")], found


@pytest.mark.parametrize(
    "text",
    [
        ONE + "retry: {attempts: 2, on: [connect, 429, 5xx]}}]",
        ONE + "strategy: weighted}]",
        "models: [{alias: m, strategy: when-rules, candidates: [{provider: a, when: {stream: true}}, {provider: b}]}]",
        TWO.replace("{provider: b}", "{provider: b, arm: y}") + "split: {name: t, arms: {x: 5%, y: 95%}}}]",
        CANARY + ", {provider: c}]}]",
        CANARY.replace("5%", "{share: 5%, sticky_by: session}") + "]}]",
        ONE + "probe: {every: 30s, timeout: 5s, max_tokens: 16, max_cost_usd_per_day: 1, max_unpriced_per_day: 0}}]",
        ONE + "breaker: {consecutive: 5, share: 50%, min_calls: 10, window: 10s, open: 1s, max_open: 30s}}]",
        ONE + "continue: true}]",
        ONE + "continue: true, hedge: {}, fallback: [p/y]}]",
        ONE + "continue: {times: 1, by: instruct}}]",
        ONE + "outlier: {most: 0%}}]",
        "models: [{alias: m, candidates: [{provider: a, concurrency: 1}], queue: {length: 0, wait: 1s, by: team}}]",
        ONE + "outlier: {below: 1%, min_calls: 1, window: 1s, eject: 1s, max_eject: 1m, most: 50%}}]",
        "models: [{alias: m, candidates: [{provider: a, weight: 9}, {provider: b, concurrency: 4}]}]",
    ],
)
def test_what_the_contract_names_is_taken(text: str) -> None:
    assert [each for each in problems_of(text) if "no provider is named" not in each] == []
