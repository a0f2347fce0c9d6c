from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.guards.clauses import MAX_CHARS, MIN_CHARS, Clause, Cutter, clauses

PIECES = st.lists(
    st.sampled_from(["a", "word ", ". ", "! ", '." ', "\n", "。", "?", " ", "é", "x" * 30, "Mr. ", "\n\n", "; "]),
    max_size=60,
)


def own(clause: Clause) -> str:
    return clause.text[clause.context :]


@given(PIECES)
def test_clauses_are_the_same_however_the_text_arrives(pieces: list[str]) -> None:
    whole = clauses("".join(pieces))
    cutter = Cutter()
    found = [clause for piece in pieces for clause in cutter.feed(piece)]
    assert [*found, *cutter.finish()] == whole
    single = Cutter()
    assert [clause for char in "".join(pieces) for clause in single.feed(char)] == found


@given(PIECES)
def test_clauses_make_up_the_text_and_know_their_places(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = clauses(text)
    assert "".join(own(clause) for clause in found) == text
    before = ""
    for clause in found:
        assert text[clause.base :].startswith(clause.text)
        assert clause.text[: clause.context] == before
        assert 0 < clause.size <= MAX_CHARS
        before = own(clause)
    assert all(clause.size >= MIN_CHARS for clause in found[:-1])


def test_a_clause_ends_behind_a_sentence_and_not_inside_one() -> None:
    text = "The first sentence is over. The second one, with commas, too! Then\nanother line of it"
    assert [own(clause) for clause in clauses(text)] == [
        "The first sentence is over. ",
        "The second one, with commas, too! ",
        "Then\nanother line of it",
    ]


def test_what_has_no_end_is_cut_between_words() -> None:
    found = [own(clause) for clause in clauses("word " * 200)]
    assert max(map(len, found)) <= MAX_CHARS
    assert all(part.endswith(" ") for part in found)
    assert [len(part) for part in map(own, clauses("x" * 1000))] == [
        MAX_CHARS,
        MAX_CHARS,
        MAX_CHARS,
        1000 - 3 * MAX_CHARS,
    ]
