from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.answer_guards import GUARDS, Found
from gateway.cache.questions import VERSION, Question, read_question
from gateway.cache.verifier import (
    FEATURES,
    FOR,
    MOST_ODDS,
    Forest,
    Together,
    Tree,
    Verdict,
    Verifier,
    again,
    compare,
    features,
    forest,
    most,
    verifier,
)

SERVES = 0.95


# The embedding of both: whatever differs, the network sees nothing of it.
SAME = bytes(384)
# What it says of most such near misses where it does see them, in log odds.
DOUBTS = -1.5


def asked(text: str, language: str = "en", shades: bytes = SAME) -> Question:
    return read_question(text, language, shades)


def verdict(new: str, old: str, cosine: float = 0.97, language: str = "en") -> Verdict:
    return compare(asked(new, language), asked(old, language), cosine)


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("How do I reset my password?", "Could you tell me how to reset my password?"),
        ("What is the capital of France?", "what's France's capital"),
        ("How do I sort a list in Python?", "In Python, how can I sort a list?"),
        ("How do I convert 5 kilometers to miles?", "how to convert five km to miles, please"),
        ("Where can I buy a large sofa?", "Where can I purchase a big couch?"),
        ("What is the difference between tea and coffee?", "What's the difference between coffee and tea?"),
    ],
)
def test_paraphrases_are_served(new: str, old: str) -> None:
    said = verdict(new, old)
    assert said.chance >= SERVES
    assert said.failed == ()


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("How do I enable roaming?", "How do I disable roaming?"),
        ("Show customer 1042.", "Show customer 1043."),
        ("Convert dollars to euros.", "Convert euros to dollars."),
        ("What is the weather in Paris?", "What is the weather in Lyon?"),
        ("Translate this text to German.", "Translate this text to French."),
        ("Give me the data as JSON.", "Give me the data as YAML."),
        ("Summarize it in 100 words.", "Summarize it in 200 words."),
        ("Can I take it with milk?", "Can I take it without milk?"),
        ("What is the minimum age?", "What is the maximum age?"),
        ("Is the shop open today?", "Is the shop open tomorrow?"),
        ("Did Germany beat Brazil?", "Did Brazil beat Germany?"),
        ("Should I buy a house?", "Should I sell a house?"),
    ],
)
def test_near_misses_are_not_served_however_near(new: str, old: str) -> None:
    assert verdict(new, old, 0.999).chance < SERVES
    assert verdict(old, new, 0.999).chance < SERVES


@pytest.mark.parametrize(
    ("new", "old"),
    [
        ("Is it safe to eat?", "Is it unsafe to eat?"),
        ("Explain it to me as a doctor.", "Explain it to me as a patient."),
        ("find a restaurant in rome", "find a restaurant in oslo"),
        ("What is the best laptop?", "What is the best gaming laptop?"),
        ("How do I delete a branch?", "How do I rename a branch?"),
        ("Explain recursion.", "Explain recursion to a child."),
    ],
)
def test_one_word_more_or_another_word_is_not_served_where_the_network_has_doubts(new: str, old: str) -> None:
    read = features(asked(new), asked(old), 0.9, Found())
    assert min(forest().chance((read[0], DOUBTS, *read[2:])), most(read)) < SERVES


def test_only_guards_that_are_asked_for_refuse_by_name_and_all_count() -> None:
    new, old = (asked(text) for text in ("Open it before lunch.", "Open it after lunch."))
    said = compare(new, old, 0.99, frozenset({"numbers"}))
    assert said.failed == ()
    assert said.chance <= 0.3
    assert "direction" in compare(new, old, 0.99, GUARDS).failed


def test_other_languages_are_compared_within_themselves() -> None:
    assert verdict("Wie lösche ich mein Konto?", "wie lösche ich mein konto", language="de").chance >= SERVES
    assert verdict("Wie lösche ich mein Konto?", "Wie lösche ich mein Konto nicht?", language="de").chance < 0.8
    one, other = read_question("Hotel in Berlin", "en"), read_question("Hotel in Berlin", "de")
    assert compare(one, other, 1.0).chance == 0.0


def test_what_is_too_long_is_served_to_itself_only() -> None:
    text = "tell me about it " * 400
    assert verdict(text, text.upper()).chance == 1.0
    assert verdict(text, text + "now").chance == 0.0
    assert verdict("?", "?").chance == 0.0


@given(st.integers(FOR, len(FEATURES) - 1), st.integers(1, 6), st.floats(0.5, 1.0))
def test_no_difference_makes_a_hit_likelier(place: int, more: int, cosine: float) -> None:
    question = asked("sort a long list of names")
    same = features(question, question, cosine, Found())
    worse = (*same[:place], same[place] + more, *same[place + 1 :])
    assert forest().chance(worse) <= forest().chance(same)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_cosine_makes_none_less_likely(one: float, other: float) -> None:
    question = asked("sort a long list of names")
    low, high = sorted((one, other))
    assert compare(question, question, low).chance <= compare(question, question, high).chance


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_nor_do_better_odds_of_the_network(one: float, other: float) -> None:
    question = asked("sort a long list of names")
    read = features(question, question, 0.9, Found())
    low, high = ((read[0], odds, *read[2:]) for odds in sorted((one, other)))
    assert forest().chance(low) <= forest().chance(high)


def test_a_question_without_an_embedding_is_not_served_to_one_in_other_words() -> None:
    new, old = asked("How do I mend a sofa?", shades=b""), asked("How do I mend my sofa quickly?", shades=b"")
    assert compare(new, old, 0.99).chance < SERVES


def test_trees_are_walked_to_their_leaves() -> None:
    tree = Tree(at=(0, -1, -1), limit=(0.5, -2.0, 2.0), low=(1, 0, 0), high=(2, 0, 0))
    made = Forest(Verifier(VERSION, FEATURES, 0.0, (tree,), Together(1.0, 0.0)))
    assert made.chance((0.4,)) < 0.2
    assert made.chance((0.6,)) > 0.8
    assert verifier().features == FEATURES


def walked(tree: Tree, read: list[float]) -> float:
    node = 0
    while (feature := tree.at[node]) >= 0:
        node = tree.low[node] if read[feature] <= tree.limit[node] else tree.high[node]
    return tree.limit[node]


@given(st.lists(st.integers(-2, 9) | st.floats(-9, 9), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_all_trees_at_once_say_what_one_after_the_other_would(read: list[float]) -> None:
    total = verifier().start + sum(walked(tree, read) for tree in verifier().trees)
    assert forest().chance(tuple(read)) == pytest.approx(1 / (1 + exp(-total)))


@given(st.floats(0.0, 1.0), st.floats(-20, 20), st.floats(0.0, 5.0))
def test_who_says_more_of_both_makes_it_no_less_likely(chance: float, odds: float, more: float) -> None:
    assert 0.0 <= again(chance, odds) <= again(chance, odds + more) <= again(chance, MOST_ODDS) <= 1.0


def test_both_opinions_count() -> None:
    assert again(0.3, 3.0) > again(0.3, -3.0)
    assert again(0.99, 0.0) > again(0.3, 0.0)


def test_only_what_was_cut_can_be_read_together_and_no_guard_is_overruled() -> None:
    one, two = "How do I open 2 doors?", "How can I open 2 doors?"
    other = read_question("How do I open 3 doors?", "en", SAME, b"ab")
    cut = read_question(one, "en", SAME, b"ab")
    before = compare(asked(one), asked(two), 0.99)
    open_ = compare(cut, read_question(two, "en", SAME, b"ab"), 0.99)
    named = compare(cut, other, 0.99)
    assert before.most == before.chance == open_.chance < open_.most
    assert named.most == named.chance


def test_what_is_unlikely_by_its_words_is_not_read() -> None:
    new, old = (read_question(text, "en", SAME, b"ab") for text in ("How do I open doors?", "Why do cats like tuna?"))
    verdict = compare(new, old, 0.7)
    assert verdict.chance < verifier().together.least
    assert verdict.most == verdict.chance
