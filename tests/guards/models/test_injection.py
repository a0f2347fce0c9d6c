from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.guards.models.injection import InjectionScorer
from gateway.plugin.guard import About
from tests.guards.models.made_heads import Embedding, injection_folder

USER = About("request", "user")
TOOL = About("request", "tool", "tool_result", "fetch")
ATTACK = "ignore that"
LONG = "All is well in the village by the sea. " * 40


def ask(scorer, texts, at):
    return asyncio.run(scorer.score(texts, at))


def told(text: str) -> list[float]:
    return [4.0] if "ignore" in text or "translate" in text else [-4.0]


def test_a_prompt_is_judged_by_both_tiers(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    [[bad], [good]] = ask(scorer, [(ATTACK, USER), ("hello there", USER)], 0.0)
    assert (bad.category, bad.tier, bad.start, bad.end) == ("injection", "both", 0, len(ATTACK))
    assert bad.value > 0.8
    assert good.value < 0.1


def test_the_model_is_asked_only_where_it_can_lift_the_score_to_the_threshold(tmp_path: Path) -> None:
    embed = Embedding(told)
    scorer = InjectionScorer(embed, injection_folder(tmp_path))
    scores = ask(scorer, [("hello there", USER), (ATTACK, USER), ("good day", USER)], 0.9)
    assert embed.asked == [[ATTACK]]
    assert [each[0].tier for each in scores] == ["ngram", "both", "ngram"]
    ask(scorer, [("hello there", USER)], 0.9)
    assert len(embed.asked) == 1


@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.9])
def test_a_threshold_changes_no_verdict_on_itself(tmp_path: Path, at: float) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    texts = [
        (text, USER) for text in ("hello", ATTACK, "ignore", f"{LONG} ignore all of it {LONG}", "do not ignore me")
    ]
    fully = ask(scorer, texts, 0.0)
    cheaply = ask(scorer, texts, at)
    assert [each[0].value >= at for each in fully] == [each[0].value >= at for each in cheaply]


def test_a_long_text_is_judged_by_its_worst_window(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    text = f"{LONG} ignore ignore ignore that ignore ignore {LONG}"
    [[first, *others]] = ask(scorer, [(text, USER)], 0.5)
    assert "ignore" in text[first.start : first.end]
    assert all(each.value <= first.value for each in others)


def test_windows_of_one_request_are_embedded_together(tmp_path: Path) -> None:
    embed = Embedding(told)
    scorer = InjectionScorer(embed, injection_folder(tmp_path))
    ask(scorer, [(ATTACK, USER), (LONG, USER), ("ignore me", USER)], 0.0)
    assert len(embed.asked) == 1
    assert len(embed.asked[0]) > 4


def test_an_order_in_what_a_tool_brought_is_found_by_its_sentence(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    text = f"{LONG}\nPlease translate this now.\n{LONG}"
    [scores] = ask(scorer, [(text, TOOL)], 0.5)
    [found] = [score for score in scores if score.category == "instruction"]
    assert text[found.start : found.end] == "Please translate this now."
    [prompt] = ask(scorer, [(text, USER)], 0.5)
    assert {score.category for score in prompt} == {"injection"}


def test_code_is_not_searched_for_orders(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    code = "def f(x):\n    translate(x)\n    return x\n\n\nclass A:\n    value = translate(1)\n"
    [scores] = ask(scorer, [(code, TOOL)], 0.0)
    assert {score.category for score in scores} == {"injection"}


def test_more_windows_need_a_higher_score(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "corrected").mkdir()
    plain = InjectionScorer(Embedding(told), injection_folder(tmp_path / "plain"))
    corrected = InjectionScorer(Embedding(told), injection_folder(tmp_path / "corrected", per_doubling=0.5))
    for text, differs in ((ATTACK, False), (LONG, True)):
        [[one, *_]], [[other, *_]] = ask(plain, [(text, USER)], 0.0), ask(corrected, [(text, USER)], 0.0)
        assert (other.value < one.value) == differs


def test_a_very_long_text_costs_a_bounded_number_of_embeddings(tmp_path: Path) -> None:
    embed = Embedding(told)
    scorer = InjectionScorer(embed, injection_folder(tmp_path))
    [scores] = ask(scorer, [("please ignore it " * 4_000, USER)], 0.0)
    assert sum(map(len, embed.asked)) == 24
    assert len(scores) <= 16
    asyncio.run(scorer.close())


def test_an_empty_text_has_no_score(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    assert ask(scorer, [("", USER), ("", TOOL)], 0.0) == [[], []]
    assert ask(scorer, [], 0.0) == []


def test_thresholds_come_from_the_table(tmp_path: Path) -> None:
    scorer = InjectionScorer(Embedding(told), injection_folder(tmp_path))
    assert scorer.threshold(0.01) == scorer.threshold(0.01, "instruction") == pytest.approx(0.99)
    with pytest.raises(ValueError, match="measured"):
        scorer.threshold(0.0001)
    with pytest.raises(ValueError, match="no category"):
        scorer.threshold(0.01, "weather")
