from __future__ import annotations

import pytest

from gateway.clients import hyperscan
from gateway.clients.hyperscan import Ahead, Expression, PatternDatabase, PatternDatabases
from gateway.core.errors import Misconfigured


def test_matches_carry_their_pattern_and_byte_offsets() -> None:
    database = PatternDatabase([Expression("key-[0-9]{3}"), Expression("(?i)osprey")])
    assert database.scan(b"a key-123 and OSPREY") == [(0, 2, 9), (1, 14, 20)]
    assert database.scan(b"nothing") == []


def test_every_end_is_reported_with_its_leftmost_start() -> None:
    assert PatternDatabase([Expression("a{2,3}")]).scan(b"aaaa") == [(0, 0, 2), (0, 0, 3), (0, 1, 4)]


def test_a_unicode_expression_matches_whole_characters_by_their_bytes() -> None:
    database = PatternDatabase([Expression("(?i)straße.", unicode=True)])
    assert database.scan("die STRASSE, die straßeé".encode()) == [(0, 17, 26)]


def test_the_expression_that_does_not_compile_is_named() -> None:
    with pytest.raises(Misconfigured, match="Pattern 1 does not compile"):
        PatternDatabase([Expression("good"), Expression("(?=a)b")])


def test_an_empty_text_holds_nothing() -> None:
    assert PatternDatabase([Expression("a")]).scan(b"") == []


def test_who_asks_next_waits_for_what_was_begun() -> None:
    expressions = (Expression("ahead-[0-9]{3}"), Expression("of-[a-z]{2}"))
    ahead = Ahead(expressions)
    ahead.start()
    assert PatternDatabase(expressions).scan(b"ahead-123 of-it") == [(0, 0, 9), (1, 10, 15)]
    assert not ahead.is_alive()
    ahead.forget()


def test_what_was_begun_and_does_not_compile_is_named_when_it_is_asked_for() -> None:
    expressions = (Expression("good, ahead"), Expression("(?=a)b"))
    ahead = Ahead(expressions)
    ahead.start()
    with pytest.raises(Misconfigured, match="Pattern 1 does not compile"):
        PatternDatabase(expressions)
    ahead.forget()


def test_matches_are_called_what_was_said() -> None:
    database = PatternDatabase([Expression("key-[0-9]{3}"), Expression("osprey")], [7, 3])
    assert database.scan(b"a key-123 and osprey") == [(7, 2, 9), (3, 14, 20)]
    with pytest.raises(Misconfigured, match="Pattern 9 does not compile"):
        PatternDatabase([Expression("good"), Expression("(?=a)c")], [4, 9])


def test_several_databases_answer_as_one() -> None:
    expressions = [Expression(text) for text in ("ab+", "c{2}", "[0-9]{2}", "b")]
    one = PatternDatabase(expressions)
    many = PatternDatabases(
        [PatternDatabase([expressions[0], expressions[3]], [0, 3]), PatternDatabase(expressions[1:3], [1, 2])]
    )
    for text in (b"abbccab12", b"", b"cc", b"xyz", b"12cc34b", b"ab"):
        found = list(many.scan(text))
        assert [end for _, _, end in found] == sorted(end for _, _, end in found)
        assert sorted(found) == sorted(one.scan(text))
        assert many.any(text) == one.any(text)
        assert not many.full
    assert PatternDatabases([one]).scan(b"a" * 10) == []


def test_one_of_several_that_gives_up_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hyperscan, "MAX_FOUND", 3)
    many = PatternDatabases([PatternDatabase([Expression("a")]), PatternDatabase([Expression("b")], [1])])
    assert len(many.scan(b"ab" * 2)) == 4
    assert not many.full
    many.scan(b"a" + b"b" * 5)
    assert many.full


def test_more_matches_than_so_many() -> None:
    one = PatternDatabase([Expression("a")])
    both = PatternDatabases([one, PatternDatabase([Expression("b")], [1])])
    for database in (one, both):
        assert not database.more_than(3, b"aaab")
        assert database.more_than(2, b"aaab")
        assert not database.more_than(0, b"xyz")
    assert one.scan(b"ab") == [(0, 0, 1)]
