import pytest

from gateway.config.caching import CacheSpec, cache_rules
from gateway.config.routing import ModelSpec
from gateway.config.source import load_yaml
from gateway.config.validation import validated
from gateway.core.cache_rules import CacheRules, ExactRule, StoreRule


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
    ("text", "problem"),
    [
        ("semantic: {enabled: true}", "semantic: not yet available"),
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
