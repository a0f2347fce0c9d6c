from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import ModelNotFound, RouteNotFound
from gateway.core.exchange import Deployment, MirrorRule, RoutePolicy
from gateway.routing.table import RouteEntry, Router


def deployment(provider: str, model: str = "") -> Deployment:
    return Deployment(provider=provider, kind="openai", model=model, base_url=f"http://{provider}/v1", credential=None)


def entry(alias: str, provider: str, model: str = "{model}") -> RouteEntry:
    return RouteEntry(alias=alias, deployment=deployment(provider, model))


PROVIDERS = {"openai": deployment("openai"), "vllm-a": deployment("vllm-a")}


def served_by(router: Router, model: str) -> tuple[str, str, str]:
    plan = router.plan(model)
    first = plan.candidates[0]
    return plan.alias, first.provider, first.model


def test_an_exact_alias_wins_over_every_glob():
    router = Router((entry("*", "openai"), entry("gpt-*", "openai"), entry("gpt-4o", "vllm-a", "llama")), PROVIDERS)
    assert served_by(router, "gpt-4o") == ("gpt-4o", "vllm-a", "llama")


def test_the_glob_with_most_literal_characters_wins_wherever_it_stands():
    router = Router((entry("*", "openai"), entry("gpt-*", "a"), entry("gpt-4*", "b"), entry("g*", "c")), PROVIDERS)
    assert served_by(router, "gpt-4o") == ("gpt-4*", "b", "gpt-4o")
    assert served_by(router, "gpt-5") == ("gpt-*", "a", "gpt-5")
    assert served_by(router, "gemma") == ("g*", "c", "gemma")
    assert served_by(router, "other") == ("*", "openai", "other")


def test_of_two_globs_equally_literal_the_one_with_fewer_wildcards_wins():
    router = Router((entry("*gpt-*", "a"), entry("gpt-*", "b")))
    assert served_by(router, "gpt-4o")[1] == "b"


def test_the_placeholder_may_stand_anywhere_in_the_model():
    router = Router((entry("*", "openai", "accounts/us/{model}"),))
    assert served_by(router, "llama") == ("*", "openai", "accounts/us/llama")


def test_what_a_star_stands_for_may_stand_in_the_model():
    router = Router((entry("gpt-*", "a", "azure-{star}"), entry("*/*", "b", "{star2}@{star1}/{model}")), PROVIDERS)
    assert served_by(router, "gpt-4o") == ("gpt-*", "a", "azure-4o")
    # What a client writes stands for nothing.
    assert served_by(router, "gpt-{star}{model}") == ("gpt-*", "a", "azure-{star}{model}")
    assert served_by(router, "meta/llama/8b") == ("*/*", "b", "llama/8b@meta/meta/llama/8b")


def test_a_star_that_stands_for_nothing_is_no_match_where_its_value_is_needed():
    router = Router((entry("gpt-*", "a", "{star}"), entry("g*", "b")), PROVIDERS)
    assert served_by(router, "gpt-") == ("g*", "b", "gpt-")
    assert served_by(Router((entry("gpt-*", "a"),), PROVIDERS), "gpt-") == ("gpt-*", "a", "gpt-")
    assert served_by(Router((entry("*", "a", "x-{star}"),), PROVIDERS), "llama") == ("*", "a", "x-llama")
    with pytest.raises(ModelNotFound):
        Router((entry("*", "a", "x-{star}"),), PROVIDERS).plan("")


def test_an_empty_model_in_the_table_keeps_what_the_client_wrote():
    assert served_by(Router((entry("*", "upstream", ""),)), "anything") == ("*", "upstream", "")


def test_lines_with_the_same_alias_are_candidates_in_order():
    router = Router((entry("m", "a", "x"), entry("m", "b", "y")))
    assert [candidate.provider for candidate in router.plan("m").candidates] == ["a", "b"]


def test_a_provider_prefix_reaches_that_provider_before_the_catch_all():
    router = Router((entry("*", "openai"),), PROVIDERS)
    assert served_by(router, "vllm-a/org/llama") == ("vllm-a/*", "vllm-a", "org/llama")
    assert served_by(router, "nobody/llama") == ("*", "openai", "nobody/llama")
    assert served_by(router, "vllm-a/") == ("*", "openai", "vllm-a/")


def test_a_glob_wins_over_a_provider_prefix():
    router = Router((entry("openai/*", "vllm-a"),), PROVIDERS)
    assert served_by(router, "openai/gpt-4o") == ("openai/*", "vllm-a", "openai/gpt-4o")


def test_an_unknown_model_is_named_in_the_error_and_cut():
    router = Router((entry("gpt-4o", "openai"),))
    with pytest.raises(ModelNotFound, match="'nope'") as caught:
        router.plan("nope")
    assert caught.value.param == "model"
    with pytest.raises(ModelNotFound) as caught:
        router.plan("x" * 100_000)
    assert len(caught.value.public_message) < 300


def test_a_request_without_a_model_goes_to_the_catch_all_or_is_told_so():
    assert served_by(Router((entry("*", "openai"),)), "") == ("*", "openai", "")
    with pytest.raises(ModelNotFound, match="names no model"):
        Router((entry("gpt-4o", "openai"),)).plan("")


def test_a_provider_in_the_path_passes_through_with_the_client_s_model():
    plan = Router((), PROVIDERS).plan("whatever", "vllm-a")
    assert (plan.alias, plan.candidates[0].provider, plan.candidates[0].model) == ("", "vllm-a", "")


def test_an_unknown_provider_in_the_path_is_no_route():
    with pytest.raises(RouteNotFound) as caught:
        Router((), PROVIDERS).plan("m", "z" * 5000)
    assert len(caught.value.public_message) < 300


def test_only_concrete_aliases_are_listed_once_each():
    router = Router((entry("b", "p"), entry("*", "p"), entry("a", "p"), entry("b", "q"), entry("gpt-*", "p")))
    assert router.names() == ("b", "a")


def test_invented_names_do_not_grow_memory():
    router = Router((entry("*", "openai"),), memo_size=64)
    for number in range(1000):
        router.plan(f"m{number}")
    router.plan("y" * 10_000)
    assert len(router._memo) == 64
    empty = Router((entry("a", "openai"),))
    for number in range(100):
        with pytest.raises(ModelNotFound):
            empty.plan(f"m{number}")
    assert len(empty._memo) == 0


def test_a_plan_is_remembered():
    router = Router((entry("*", "openai"),))
    assert router.plan("m") is router.plan("m")


@given(st.lists(st.text("ab/*?", max_size=6), max_size=6), st.text("ab/[", max_size=8))
def test_a_plan_does_not_depend_on_what_was_asked_before(aliases: list[str], model: str):
    table = tuple(entry(alias, f"p{index}") for index, alias in enumerate(aliases) if alias)
    warm, fresh = Router(table, PROVIDERS, memo_size=2), Router(table, PROVIDERS, memo_size=2)

    def ask(router: Router) -> object:
        try:
            return router.plan(model)
        except ModelNotFound as error:
            return error.public_message

    for other in ("a", "b", model, "ab", "ba"):
        try:
            warm.plan(other)
        except ModelNotFound:
            continue
    assert ask(warm) == ask(fresh)


def test_windows_are_asked_for_where_there_is_a_choice_and_nothing_is_set():
    asked = list[str]()

    def window(deployment: Deployment) -> int:
        asked.append(deployment.model)
        return 1000 if deployment.model == "gpt-4o" else 0

    own = RouteEntry(alias="g*", deployment=msgspec.structs.replace(deployment("c", "d"), context_window=7))
    router = Router((entry("g*", "a"), entry("g*", "b", "x"), own, entry("alone", "a")), PROVIDERS, windows=window)
    assert [each.context_window for each in router.plan("gpt-4o").candidates] == [1000, 0, 7]
    assert router.plan("alone").candidates[0].context_window == 0
    assert asked == ["gpt-4o", "x"]


def test_who_gets_copies_serves_no_call_and_has_the_client_s_name_where_that_is_wanted():
    to = Deployment(provider="b", kind="openai", model="large/{model}", base_url="http://b", credential=b"")
    policy = RoutePolicy(mirror=MirrorRule())
    router = Router((entry("g-*", "a"), entry("n", "a")), PROVIDERS, {"g-*": policy}, {"g-*": to})
    plan = router.plan("g-1")
    assert plan.mirror == msgspec.structs.replace(to, model="large/g-1")
    assert [each.provider for each in plan.candidates] == ["a"]
    assert router.plan("n").mirror is None
