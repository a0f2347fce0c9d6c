from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from gateway.guards.models.toxicity import CATEGORIES, ToxicityScorer
from gateway.plugin.guard import About
from tests.guards.models.made_heads import Embedding, toxicity_folder

USER = About("request", "user")


def ask(scorer, texts, at):
    return asyncio.run(scorer.score(texts, at))


def told(text: str) -> list[float]:
    """How toxic, then each category: a text about knives is a threat."""
    kinds = [0.0] * len(CATEGORIES)
    if "knife" in text:
        kinds[CATEGORIES.index("threat")] = 3.0
    return [4.0 if "awful" in text or "knife" in text else -4.0, *kinds]


def test_the_likeliest_category_has_the_whole_value(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    [scores] = ask(scorer, [("awful knife", USER)], 0.0)
    values = {score.category: score.value for score in scores}
    assert set(values) == set(CATEGORIES)
    assert max(values, key=lambda category: values[category]) == "threat"
    assert values["threat"] > 0.8 > values["sexual"]


def test_a_listed_word_adds_to_the_score_and_names_its_category(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    [with_word, without] = ask(scorer, [("so listed sexual it is", USER), ("so nice as it is", USER)], 0.0)
    best = max(with_word, key=lambda score: score.value)
    assert best.category == "sexual"
    assert best.value > max(score.value for score in without)


def test_weighed_words_add_to_the_score_and_take_off_it_within_bounds(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    texts = ("so dreadful it is", "so dreadful dreadful", "so plain as it is", "so lovely as it is")
    best = [max(score.value for score in each) for each in ask(scorer, [(text, USER) for text in texts], 0.0)]
    # As the table of tests has it, a value's logit is the logit: what was added is the most, what was taken the least.
    logits = [math.log(value / (1 - value)) for value in best]
    assert logits[1] == pytest.approx(logits[0])
    assert logits[0] - logits[2] == pytest.approx(4.0, abs=0.05)
    assert logits[2] - logits[3] == pytest.approx(1.0, abs=0.05)


def test_a_list_decides_where_the_model_is_not_asked(tmp_path: Path) -> None:
    embed = Embedding(told)
    scorer = ToxicityScorer(embed, toxicity_folder(tmp_path))
    [scores] = ask(scorer, [("so listed insult it is", USER)], 0.999)
    assert embed.asked == []
    assert {score.category: score.tier for score in scores}["insult"] == "list"


def test_each_category_names_its_own_window(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    text = "awful knife. " + "All is well in the village by the sea. " * 60 + "so listed insult"
    [scores] = ask(scorer, [(text, USER)], 0.0)
    first = {}
    for score in scores:
        first.setdefault(score.category, text[score.start : score.end])
    assert "knife" in first["threat"]
    assert "listed insult" in first["insult"]
    asyncio.run(scorer.close())


def test_an_empty_text_has_no_score(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    assert ask(scorer, [("", USER)], 0.0) == [[]]


def test_one_threshold_serves_all_categories(tmp_path: Path) -> None:
    scorer = ToxicityScorer(Embedding(told), toxicity_folder(tmp_path))
    assert {scorer.threshold(0.01, category) for category in ("", *CATEGORIES)} == {scorer.threshold(0.01)}
    with pytest.raises(ValueError, match="no category"):
        scorer.threshold(0.01, "weather")
