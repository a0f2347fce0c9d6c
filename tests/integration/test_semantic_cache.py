"""Questions that are like one before, through the whole gateway: what is served, what is not, and what is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from gateway.guards.models import catalog
from tests.support.gateway_run import CHAT, Answer, Gateway, ask, running, until
from tests.support.models import built_home
from tests.support.provider import Asked, Step, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      p: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: env:THE_KEY}}
    models:
      - {{alias: m, candidates: [{{provider: p, model: small}}]}}
    identity:
      mode: keys
      keys: [{{id: ann, key: env:ANN, team: blue}}, {{id: bob, key: env:BOB, team: red}}]
    prices: {{overrides: prices.yaml}}
    policies: {{bundle: [words.yaml]}}
    cache:
      exact: {{ttl: 1h}}
      semantic: {{enabled: true, mode: {mode}, compare: {{sample: 1%}}}}
      timeout: 5s
"""
PRICES = "- {provider: p, model: small, input: 1.0, output: 2.0}\n"
WORDS = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: words}
detectors:
  words: {use: pattern, patterns: ["osprey"]}
rules:
  - {id: no-osprey, match: {direction: response}, when: words, do: annotate, mode: enforce}
"""
ANN, BOB = "wb-ann-0123456789abcdef0123456789abcdef", "wb-bob-0123456789abcdef0123456789abcdef"
SLOWLY = "Take your time."
USAGE = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
SURE = ("How do I cancel my order?", "How can I cancel my order?")
ALIKE = ("How can I cancel my {}?", "how can I cancel my {}", "How do I cancel my {} please?", "how do i cancel my {}")
ANSWER = "Open the page of your orders, and choose 'cancel'."
SETTLED_S = 60.0


def provider(asked: Asked) -> list[Step]:
    """Says the same of cancelling whatever the words are, and repeats everything else."""
    document = orjson.loads(asked.body)
    text = document["messages"][-1]["content"]
    said = ANSWER if "cancel" in text else f"You said: {text}"
    said += " It is an osprey." if "osprey" in text else ""
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-12345678", "object": "chat.completion", "created": 1, "model": "small-1"}
    answer = whole(orjson.dumps(body | {"choices": [choice], "usage": USAGE}))
    # Whoever is looked up beside the call has time for it.
    return [0.5, answer] if document["messages"][0]["content"] == SLOWLY else [answer]


class Served:
    """A gateway with the cache on, and its provider."""

    def __init__(self, gateway: Gateway, provider: Any) -> None:
        self.gateway = gateway
        self.provider = provider

    def ask(self, text: str, *, key: str = ANN, system: str = "You help.") -> Answer:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        document = {"model": "m", "messages": messages}
        answer = ask(self.gateway.port, CHAT, document, authorization=f"Bearer {key}")
        assert answer.status == 200, (answer.body, self.gateway.log[-2000:])
        return answer

    def alike(self, thing: str, **how: str) -> Answer:
        """Ask to cancel something in other words, until they are served: one look may be late."""
        asked = (self.ask(text.format(thing), **how) for text in ALIKE)
        return next(answer for answer in asked if answer.headers["x-weighbridge-cache"] == "hit-semantic")

    def kept(self, text: str, **how: str) -> Answer:
        """Ask, and wait until the answer is kept with the embedding of its question."""
        before = self.result("semantic_embedded")
        answer = self.ask(text, **how)
        assert answer.headers["x-weighbridge-cache"] == "miss"
        until(lambda: self.result("semantic_embedded") > before, SETTLED_S)
        return answer

    def result(self, name: str) -> float:
        return self.gateway.metric(f'weighbridge_cache_results_total{{result="{name}"}}')

    def row(self, answer: Answer) -> dict[str, Any]:
        return self.gateway.record_of(answer.id)


def home_with_models(folder: Path) -> None:
    models = folder / "home" / "models"
    models.parent.mkdir(parents=True, exist_ok=True)
    models.symlink_to(catalog.folder(built_home()))


def serving(folder: Path, mode: str) -> Iterator[Served]:
    home_with_models(folder)
    (folder / "prices.yaml").write_text(PRICES)
    (folder / "policies").mkdir()
    (folder / "policies" / "words.yaml").write_text(WORDS)
    env: dict[str, Any] = {"THE_KEY": "sk-1", "ANN": ANN, "BOB": BOB}
    with (
        provider_in_thread(provider) as upstream,
        running(folder, operator=True, config=CONFIG.format(port=upstream.port, mode=mode), **env) as gateway,
    ):
        yield Served(gateway, upstream)


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serving(tmp_path_factory.mktemp("enforced"), "enforce")


@pytest.fixture(scope="module")
def shadowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serving(tmp_path_factory.mktemp("shadowed"), "shadow")


def test_the_same_in_other_words_is_served_and_the_trace_says_all_of_it(enforced: Served) -> None:
    first = enforced.kept(SURE[0])
    second = enforced.alike("order")
    assert second.json()["choices"][0]["message"]["content"] == ANSWER
    row = enforced.row(second)
    [told] = row["cached"]
    assert (row["cache"], row["cost_nanousd"], row["attempts"]) == ("hit-semantic", 0, [])
    assert (told["origin"], told["saved_nanousd"], told["guards"], told["shadow"]) == (first.id, 12_000, [], "")
    assert 0.9 < told["similarity"] <= 1
    assert 0.95 <= told["chance"] <= 1
    until(lambda: enforced.result("hit_semantic"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the fee for account 1042?", "What is the fee for account 1043?"),
        ("Is it safe to open the door at night?", "Is it not safe to open the door at night?"),
        ("How do I fly from Paris to Rome?", "How do I fly from Rome to Paris?"),
    ],
)
def test_a_near_miss_is_asked(enforced: Served, one: str, other: str) -> None:
    enforced.kept(one)
    answer = enforced.ask(other)
    assert answer.headers["x-weighbridge-cache"] == "miss"
    assert answer.json()["choices"][0]["message"]["content"] == f"You said: {other}"


@pytest.mark.parametrize("other", [{"key": BOB}, {"system": "You are strict."}])
def test_nothing_crosses_teams_or_system_prompts(enforced: Served, other: dict[str, str]) -> None:
    enforced.kept("How do I cancel my trip?", system=f"You help {other}.")
    enforced.alike("trip", system=f"You help {other}.")
    crossed = {"system": f"You help {other}.", **other}
    assert enforced.ask("How can I cancel my trip, please?", **crossed).headers["x-weighbridge-cache"] == "miss"


def test_rules_look_at_what_is_served(enforced: Served) -> None:
    enforced.kept("How do I cancel my osprey?")
    assert enforced.alike("osprey").headers["x-weighbridge-verdict"] == "annotate"


def test_a_promise_that_people_say_is_broken_serves_no_more(enforced: Served) -> None:
    """What is learnt holds for a team; nobody else of this one is served here."""

    enforced.kept("How do I cancel my lease?", key=BOB)
    hit = enforced.alike("lease", key=BOB)
    judge = f"/api/exchanges/{hit.id}/feedback"
    until(lambda: enforced.gateway.ask_operator(judge, {"name": "correct", "value": False}).status == 201, SETTLED_S)
    # The answer is forgotten, and for now the team is served no answers to other questions.
    told = 'weighbridge_cache_results_total{result="near_promise"}'
    blanks = count(1)

    def told_to_serve_none() -> bool:
        enforced.ask("How do I cancel my lease?" + " " * next(blanks), key=BOB)
        return enforced.gateway.metric(told) > 0

    until(told_to_serve_none, SETTLED_S)


def test_in_shadow_everything_is_asked_and_the_trace_says_what_would_have_been_served(shadowed: Served) -> None:
    first = shadowed.kept(SURE[0], system=SLOWLY)
    second = shadowed.ask(SURE[1], system=SLOWLY)
    assert second.headers["x-weighbridge-cache"] == "miss"
    assert len(shadowed.provider.asked) == 2
    [told] = shadowed.row(second)["cached"]
    assert (told["shadow"], told["origin"], told["guards"]) == ("hit", first.id, [])
    until(lambda: shadowed.result("shadow_hit") == 1, SETTLED_S)
    until(lambda: shadowed.result("compared_right") == 1, SETTLED_S)


def test_without_models_exact_answers_go_on_and_the_log_says_why(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "words.yaml").write_text(WORDS)
    env: dict[str, Any] = {"THE_KEY": "sk-1", "ANN": ANN, "BOB": BOB}
    with (
        provider_in_thread(provider) as upstream,
        running(tmp_path, operator=True, config=CONFIG.format(port=upstream.port, mode="enforce"), **env) as gateway,
    ):
        served = Served(gateway, upstream)
        served.ask(SURE[0])
        until(lambda: served.ask(SURE[0]).headers["x-weighbridge-cache"] == "hit-exact", SETTLED_S)
        assert served.ask(SURE[1]).headers["x-weighbridge-cache"] == "miss"
        until(lambda: "see weighbridge models" in gateway.log, SETTLED_S)
        assert "Traceback" not in gateway.log
