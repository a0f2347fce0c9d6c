from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.settings import ModelRunner
from gateway.core.errors import ModelFailed
from gateway.guards.models.calibration import table
from gateway.guards.models.loading import open_backend
from gateway.guards.models.names import NamesScorer, load_names, softmax
from gateway.guards.models.vocabulary import Vocabulary, framed
from gateway.plugin.guard import About
from tests.guards.benign import PROMPTS
from tests.support.models import built_home, reader

SURE = 0.8
ABOUT = About("request", "user")


def names(*texts: str, at: float = SURE) -> list[list[tuple[str, str]]]:
    async def ask() -> list[list[tuple[str, str]]]:
        backend = open_backend(built_home(), ModelRunner(timeout_s=60))
        try:
            scored = await load_names(backend, reader()).score([(text, ABOUT) for text in texts], at)
        finally:
            await backend.close()
        return [
            [(score.category, text[score.start : score.end]) for score in scores]
            for text, scores in zip(texts, scored, strict=True)
        ]

    return asyncio.run(ask())


def test_names_and_addresses_are_found_whole() -> None:
    assert names(
        "My name is John O'Brien-Smith and I live at 12 Baker Street, London NW1 6XE.",
        "my name is maria gonzález, call me",
        "Ship to: Dr. Hans Müller, Hauptstr. 5, 10115 Berlin",
    ) == [
        [("ADDRESS", "12 Baker Street, London NW1 6XE"), ("PERSON", "John O'Brien-Smith")],
        [("PERSON", "maria gonzález")],
        [("ADDRESS", "Hauptstr. 5, 10115 Berlin"), ("PERSON", "Hans Müller")],
    ]


def test_a_town_alone_is_no_address_and_ordinary_prompts_hold_no_names() -> None:
    assert names(
        "How do I cook rice in Texas?",
        "What is the weather in Paris tomorrow?",
        "Write a function that sorts a list of numbers.",
        "",
    ) == [[], [], [], []]


def test_a_name_far_into_a_text_is_found_once_and_where_it_stands() -> None:
    filler = "The quarterly figures were better than expected. "
    for count in (5, 18, 19):
        text = filler * count + "My name is Maria Keller. " + filler * count
        assert names(text) == [[("PERSON", "Maria Keller")]], count


def test_two_people_side_by_side_are_two() -> None:
    [found] = names("Invite my neighbours Anna Schmidt, Peter Novak.")
    assert sorted(found) == [("PERSON", "Anna Schmidt"), ("PERSON", "Peter Novak")]


class Glancing:
    """A backend that leaves out every window but some, and counts those."""

    def __init__(self, seen: Callable[[int], bool]) -> None:
        self._seen = seen
        self.windows = 0

    async def run_each(self, model: str, windows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        return [await self.run(model, window) for window in windows]

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        self.windows += 1
        tokens = inputs["ids"].shape[1] if self._seen(self.windows - 1) else 0
        return {"logits": np.tile(np.log(np.array([[0.05, 0.95]], dtype=np.float32)), (1, tokens, 1))}

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("seen", [(), (0,), (2,), (1, 3)])
def test_a_window_that_was_left_out_holds_no_names(seen: tuple[int, ...]) -> None:
    backend = Glancing(lambda number: number in seen)
    scorer = NamesScorer(backend, Vocabulary(reader(), "names-tokenizer.json"), ["O", "B-SURNAME"])
    text = " ".join(["anna"] * 500)
    [found] = asyncio.run(scorer.score([(text, ABOUT)], 0.8))
    assert backend.windows == 4
    assert len(found) == len(seen)
    # A window is a hundred and sixty words of four letters and a space, and begins 24 before the end of the last.
    for score, number in zip(sorted(found, key=lambda score: score.start), seen, strict=True):
        first = 136 * number
        assert (score.start, score.end) == (first * 5, min(first + 160, 500) * 5 - 1)


def test_for_many_ordinary_prompts_two_layers_are_enough() -> None:
    async def share() -> float:
        backend = open_backend(built_home(), ModelRunner(timeout_s=60))
        vocabulary = Vocabulary(reader(), "names-tokenizer.json")
        cut = [await vocabulary.cut(text) for text in PROMPTS]
        outputs = await backend.run_each("names", [framed(pieces, 0, len(pieces.ids)) for pieces in cut])
        await backend.close()
        return sum(not each["logits"].shape[1] for each in outputs) / len(outputs)

    assert asyncio.run(share()) >= 0.4


class Saying:
    """A backend that is sure of what it is told to be: a share for each label, the same for each piece."""

    def __init__(self, shares: Sequence[float]) -> None:
        self.windows: list[int] = []
        self._logits = np.log(np.array(shares, dtype=np.float32))

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        self.windows.append(inputs["ids"].shape[1])
        return {"logits": np.tile(self._logits, (1, inputs["ids"].shape[1], 1))}

    async def run_each(self, model: str, windows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        return [await self.run(model, window) for window in windows]

    async def close(self) -> None:
        pass


class Spelling(Saying):
    """A backend that is sure of people as it is told, piece by piece."""

    async def run(self, model: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        said = np.array([0.001, *self.people, 0.001], dtype=np.float32)[:, None]
        others = np.full((len(said), 3), 0.0001, dtype=np.float32)
        return {"logits": np.log(np.concatenate((1 - said, said, others), axis=1))[None]}

    def __init__(self, *people: float) -> None:
        super().__init__([1])
        self.people = people


LABELS = ["O", "B-GIVEN_NAME", "I-SURNAME", "B-CITY", "I-STREET_NAME"]


def scored(shares: Sequence[float], text: str, at: float) -> list[Any]:
    scorer = NamesScorer(Saying(shares), Vocabulary(reader(), "names-tokenizer.json"), LABELS)
    return asyncio.run(scorer.score([(text, ABOUT)], at))[0]


def test_labels_of_one_kind_count_together() -> None:
    [found] = scored([0.1, 0.4, 0.45, 0.03, 0.02], "anna keller", 0.8)
    assert (found.category, found.start, found.end, found.tier) == ("PERSON", 0, 11, "model")
    assert found.value == pytest.approx(0.85)


def test_what_is_less_sure_than_the_threshold_is_not_given_back() -> None:
    assert scored([0.3, 0.4, 0.2, 0.05, 0.05], "anna keller", 0.8) == []


def test_who_is_named_somewhere_is_found_where_it_is_likely_too() -> None:
    # Sure, no, likely, no, hardly
    backend = Spelling(0.9, 0.01, 0.1, 0.01, 0.02)
    scorer = NamesScorer(backend, VOCABULARY, LABELS)
    text = "anna met anna and anna"
    [found] = asyncio.run(scorer.score([(text, ABOUT)], 0.8))
    assert [(score.start, score.end) for score in found] == [(0, 4), (9, 13)]
    # Without one that is sure nobody is.
    backend.people = (0.5, 0.01, 0.1, 0.01, 0.02)
    assert asyncio.run(scorer.score([(text, ABOUT)], 0.8)) == [[]]


def test_a_town_counts_for_an_address_only_beside_a_street() -> None:
    assert scored([0.01, 0.01, 0.01, 0.96, 0.01], "berlin", 0.8) == []
    [found] = scored([0.01, 0.01, 0.01, 0.02, 0.95], "hauptstrasse berlin", 0.8)
    assert found.category == "ADDRESS"


@given(st.text(max_size=80))
def test_every_name_lies_within_its_text(text: str) -> None:
    scorer = NamesScorer(Saying([0.05, 0.9, 0.03, 0.01, 0.01]), VOCABULARY, LABELS)
    for found in asyncio.run(scorer.score([(text, ABOUT)], 0.8))[0]:
        assert 0 <= found.start < found.end <= len(text)
        assert 0.8 <= found.value <= 1


VOCABULARY = Vocabulary(reader(), "names-tokenizer.json")


def test_every_piece_of_a_long_text_is_in_a_window() -> None:
    backend = Saying([0.05, 0.9, 0.03, 0.01, 0.01])
    scorer = NamesScorer(backend, VOCABULARY, LABELS)
    text = " ".join(["anna"] * 1_000)
    [[found]] = asyncio.run(scorer.score([(text, ABOUT)], 0.8))
    assert (found.start, found.end) == (0, len(text))
    assert max(backend.windows) <= 162


def test_thresholds_come_from_the_tables() -> None:
    scorer = NamesScorer(Saying([1]), VOCABULARY, ["O"], None, {"PERSON": table([n / 1_000 for n in range(1_000)])})
    assert scorer.threshold(0.25) == pytest.approx(0.75, abs=0.01)
    with pytest.raises(ValueError, match="no category"):
        scorer.threshold(0.25, "ADDRESS")


def test_shares_add_up_to_one() -> None:
    assert np.allclose(softmax(np.array([[1000.0, 1000.0], [-5.0, 3.0]])).sum(axis=1), 1)


def test_labels_that_cannot_be_read_are_a_failure() -> None:
    with pytest.raises(ModelFailed):
        load_names(Saying([1]), lambda file: b"{}")
