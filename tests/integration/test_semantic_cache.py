"""Questions that are like one before, through the whole gateway: what is served, what is not, and what is learnt."""

from __future__ import annotations

from collections.abc import Iterator
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
USAGE = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
SURE = ("How do I cancel my order?", "How can I cancel my order?")
ANSWER = "Open the page of your orders, and choose 'cancel'."
SETTLED_S = 60.0


def provider(asked: Asked) -> list[Step]:
    """Says the same of cancelling whatever the words are, and repeats everything else."""
    document = orjson.loads(asked.body)
    text = document["messages"][-1]["content"]
    said = ANSWER if "cancel" in text else f"You said: {text}"
    choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-12345678", "object": "chat.completion", "created": 1, "model": "small-1"}
    return [whole(orjson.dumps(body | {"choices": [choice], "usage": USAGE}))]


class Served:
    """A gateway with the cache on, and its provider."""

    def __init__(self, gateway: Gateway, provider: Any) -> None:
        self.gateway = gateway
        self.provider = provider

    def ask(self, text: str, *, key: str = ANN, system: str = "You help.", **headers: str) -> Answer:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        document = {"model": "m", "messages": messages}
        answer = ask(self.gateway.port, CHAT, document, authorization=f"Bearer {key}", **headers)
        assert answer.status == 200, (answer.body, self.gateway.log[-2000:])
        return answer

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
    env = {"THE_KEY": "sk-1", "ANN": ANN, "BOB": BOB}
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
    before = len(enforced.provider.asked)
    second = enforced.ask(SURE[1])
    assert second.headers["x-weighbridge-cache"] == "hit-semantic"
    assert second.json()["choices"][0]["message"]["content"] == ANSWER
    assert len(enforced.provider.asked) == before
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
    texts = ("How do I cancel my trip?", "How can I cancel my trip?")
    if enforced.ask(texts[0]).headers["x-weighbridge-cache"] == "miss":
        until(lambda: enforced.ask(texts[1]).headers["x-weighbridge-cache"] != "miss", SETTLED_S)
    assert enforced.ask(texts[1], **other).headers["x-weighbridge-cache"] == "miss"


def test_rules_look_at_what_is_served(enforced: Served) -> None:
    texts = ("How do I cancel the osprey tour?", "How can I cancel the osprey tour?")
    enforced.kept(texts[0])
    hit = enforced.ask(texts[1])
    assert (hit.headers["x-weighbridge-cache"], hit.headers["x-weighbridge-verdict"]) == ("hit-semantic", "allow")


def test_a_promise_that_people_say_is_broken_serves_no_more(enforced: Served) -> None:
    """The last test of this gateway: what is learnt here holds for the team."""
    words, alike = "How do I cancel my lease?", "How can I cancel my lease?"

    def served(text: str) -> str:
        return enforced.ask(text, system="You advise.").headers["x-weighbridge-cache"] or ""

    served(words)
    until(lambda: served(alike) == "hit-semantic", SETTLED_S)
    hit = enforced.ask(alike, system="You advise.")
    judge = f"/api/exchanges/{hit.id}/feedback"
    until(lambda: enforced.gateway.ask_operator(judge, {"name": "correct", "value": False}).status == 201, SETTLED_S)
    # The answer is forgotten, and for now the team is served no answers to other questions.
    until(lambda: [served(alike + " " * n) for n in range(1, 4)] == ["miss"] * 3, SETTLED_S)


def test_in_shadow_everything_is_asked_and_the_trace_says_what_would_have_been_served(shadowed: Served) -> None:
    shadowed.kept(SURE[0])
    second = shadowed.ask(SURE[1])
    assert second.headers["x-weighbridge-cache"] == "miss"
    assert len(shadowed.provider.asked) == 2
    until(lambda: shadowed.result("shadow_hit") == 1, SETTLED_S)
    until(lambda: shadowed.result("compared_right") == 1, SETTLED_S)
    # A look that comes too late for one record is in time for another.
    until(lambda: shadowed.row(shadowed.ask("How can I cancel my order please?"))["cached"], SETTLED_S)
    [told] = shadowed.row(shadowed.ask("Please, how can I cancel my order?"))["cached"]
    assert told["shadow"] in {"hit", "promise"}


def test_without_models_exact_answers_go_on_and_the_log_says_why(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "words.yaml").write_text(WORDS)
    env = {"THE_KEY": "sk-1", "ANN": ANN, "BOB": BOB}
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
