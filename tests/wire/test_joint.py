from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.joint import (
    ANCHOR_CHARS,
    LEAST_CHARS,
    MAX_REPEATED_CHARS,
    Continuing,
    Joint,
    Repeating,
    anchor,
    overlap,
)

_WORDS = st.text("ab \n", max_size=60)


def joined(joint: Joint, *pieces: str) -> str:
    return "".join([*(joint.feed(piece) for piece in pieces), joint.finish()])


def test_what_the_next_model_was_asked_to_repeat_is_left_out():
    said = "Once upon a time there was a fox who lived in a wood, far from every"
    words = anchor(said)
    assert said.endswith(words)
    assert words.startswith("was a fox")
    assert joined(Repeating(said), words, " village.") == " village."
    assert joined(Repeating(said), "\n", words + "where else.") == "where else."


def test_a_word_that_was_cut_in_the_middle_is_made_whole():
    assert joined(Repeating("It is interna"), "It is interna", "tional.") == "tional."


def test_what_does_not_repeat_is_shown_as_it_comes():
    joint = Repeating("The quick brown fox jumps over the lazy dog")
    assert joint.feed(" and") == " and"
    assert joint.feed(" runs") == " runs"
    assert joint.finish() == ""


def test_an_answer_that_starts_all_over_is_shown_from_where_it_goes_on():
    said = "First we take the flour. Then we add the water. And then we knead"
    pieces = [said[at : at + 7] for at in range(0, len(said), 7)]
    assert joined(Repeating(said), *pieces, " the dough.") == " the dough."


def test_blanks_that_the_client_has_are_not_given_again():
    assert joined(Repeating("one two three four "), "one two three four", " five") == "five"
    assert joined(Repeating("one two three four\n\n"), "one two three four\n\n", "five") == "five"
    assert joined(Repeating("one two three four\n"), "one two three four", "\n", "five") == "five"


def test_a_few_letters_in_common_are_chance():
    assert joined(Repeating("we went to the market and bought the"), "the", "n went home") == "then went home"


def test_nothing_that_was_held_is_lost_at_the_end():
    said = "A long sentence about a fox, and another one about a dog."
    assert joined(Repeating(said), "A long sentence") == "A long sentence"
    assert joined(Repeating(said), said) == ""


def test_a_model_that_continues_its_own_beginning_is_joined_by_blanks_alone():
    assert joined(Continuing(""), " more") == " more"
    assert joined(Continuing("\n"), "\n", "", " more", " and more") == "more and more"


@given(_WORDS, _WORDS)
def test_the_overlap_is_the_longest(said: str, told: str):
    counted = [count for count in range(min(len(said), len(told)) + 1) if said.endswith(told[:count])]
    assert overlap(said, told) == max(counted)


@given(st.text("abc d", min_size=LEAST_CHARS, max_size=200), st.text("xyz", min_size=1, max_size=30), st.data())
def test_however_a_repetition_is_cut_only_what_is_new_is_shown(said: str, more: str, data: st.DataObject):
    whole = anchor(said) + more
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert joined(Repeating(said), *pieces) == more


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=8))
def test_what_is_shown_is_an_end_of_what_was_told(said: str, pieces: list[str]):
    told = "".join(pieces)
    assert told.endswith(joined(Repeating(said), *pieces))


def test_the_words_to_repeat_are_few():
    assert len(anchor("word " * 100)) <= ANCHOR_CHARS
    assert anchor("x" * 100) == "x" * ANCHOR_CHARS
    assert anchor("  Hi ") == "Hi"


def test_a_repetition_of_any_length_takes_linear_time():
    said = "a" * (2 * MAX_REPEATED_CHARS)
    joint = Repeating(said)
    shown = [joint.feed("a" * 500 + "b") for _ in range(100)]
    assert sum(map(len, shown)) > 90 * 500
