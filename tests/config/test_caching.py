import pytest

from gateway.config import caching
from gateway.config.caching import CacheSpec, cache_rules
from gateway.config.routing import ModelSpec
from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.cache_rules import CacheRules, ExactRule, SemanticRule, StoreRule


def rules_of(text: str, *models: ModelSpec) -> CacheRules | None:
    checked = validated(CacheSpec, load_yaml(text, "w"))
    assert checked.value is not None, checked.problems
    assert not checked.problems
    return cache_rules(checked.value, models)


def problems_of(text: str) -> list[str]:
    return [each.message for each in validated(CacheSpec, load_yaml(text, "w")).problems]


@pytest.mark.parametrize("text", ["{}", "exact: false", "exact: {enabled: false, ttl: 2h}", "semantic: false"])
def test_without_exact_answers_nothing_is_given_again(text: str):
    assert rules_of(text) is None


def test_what_is_written_is_in_the_rules():
    text = "exact: {ttl: 10m, scope: key, max_temperature: 0, seed: only, max_bytes: 1KiB, wait: 0s}\nmax_entries: 5"
    off = ModelSpec.model_validate({"alias": "a", "candidates": [{"provider": "p"}], "cache": False})
    on = ModelSpec.model_validate({"alias": "b", "candidates": [{"provider": "p"}]})
    assert rules_of(text, off, on) == CacheRules(
        exact=ExactRule(ttl_s=600.0, scope="key", max_temperature=0, seed="only", max_bytes=1024, wait_s=0.0),
        store=StoreRule(max_entries=5),
        without=frozenset({"a"}),
    )
    assert rules_of("exact: true") == CacheRules()


@pytest.mark.parametrize(
    ("text", "kind", "mode"),
    [
        ("semantic: {enabled: true}", "home", "enforce"),
        ("semantic: true\nexact: {ttl: 1h}", "home", "enforce"),
        ("semantic: {enabled: true, mode: shadow}\nstore: home", "home", "shadow"),
        ("semantic: {enabled: true, mode: 'off'}\nexact: true", "memory", "off"),
        ("semantic: {enabled: true}\nstore: redis://h:1/0", "redis", "enforce"),
    ],
)
def test_questions_that_are_alike_are_looked_for_where_they_can_be_found(text: str, kind: str, mode: str):
    rules = rules_of(text)
    assert rules is not None
    assert rules.semantic is not None
    assert (rules.store.kind, rules.semantic.mode, rules.exact) == (kind, mode, ExactRule())


def test_what_is_written_of_questions_that_are_alike_is_in_the_rules():
    text = "{enabled: true, threshold: 0.9, ttl: 2h, scope: tenant, answer_guards: [numbers], max_error: 2%,"
    rules = rules_of(f"semantic: {text} compare: {{sample: 10%, agree: 0.9}}}}")
    assert rules is not None
    assert rules.semantic == SemanticRule(
        threshold=0.9,
        ttl_s=7200.0,
        scope="tenant",
        answer_guards=("numbers",),
        max_error=0.02,
        compare_sample=0.1,
        compare_agree=0.9,
    )


def test_a_model_that_cannot_run_here_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(caching, "_NEEDED", ("numpy", "no_such_package"))
    assert problems_of("semantic: {enabled: true}") == [
        "semantic: it asks a model, which needs no_such_package: pip install 'weighbridge[models,cache]'"
    ]
    assert problems_of("semantic: {enabled: false}") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("exact: false\nsemantic: {enabled: true}", "semantic answers build on exact ones"),
        ("store: memory\nsemantic: {enabled: true}", "semantic answers need a store that finds neighbours"),
        ("store: file", "store: should be memory, home or redis://host:port/0"),
        ("exact: {ttl: 0s}", "exact.ttl: should be greater than or equal to 1"),
        ("exact: {seed: some}", "exact.seed: should be 'any', 'only' or 'never'"),
        ("exact: {max_temperature: 3}", "exact.max_temperature: should be less than or equal to 2"),
        ("exact: {scope: everybody}", "exact.scope: should be 'tenant', 'team' or 'key'"),
        ("semantic: {answer_guards: [colours]}", "semantic.answer_guards[0]: should be"),
        ("semantic: {max_error: 0%}", "semantic.max_error: should be greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text: str, problem: str):
    found = problems_of(text)
    assert [each for each in found if each.startswith(problem)], found
