"""Streams in the file, as far as they are more than in any store; what all have alike: tests/cache/test_stores."""

from __future__ import annotations

from pathlib import Path

from gateway.clients.answer_file import AnswerFile
from gateway.clients.answer_relays import AnswerRelays
from tests.support.answers import NOW_S, an_answer, key_of


class Present:
    """A time that a test sets."""

    now_s: float = NOW_S

    def __call__(self) -> float:
        return self.now_s


def relays(home: Path, present: Present) -> tuple[AnswerFile, AnswerRelays]:
    file = AnswerFile(home, max_bytes=1 << 20, max_entries=1000, unix_s=present)
    return file, AnswerRelays(file, present)


def test_what_is_over_takes_no_room(tmp_path: Path):
    present = Present()
    file, here = relays(tmp_path, present)
    here.want(key_of("one"), 3.0)
    here.say(key_of("one"), [b"a", b"b"], 6.0, anew=True)
    here.say(key_of("two"), [b"a"], 60.0, anew=True)
    present.now_s += 4
    here.say(key_of("one"), [b"c"], 6.0, anew=False)
    present.now_s += 4
    here.want(key_of("three"), 3.0)
    assert here.said(key_of("one"), 0) == [b"a", b"b", b"c"]
    present.now_s += 4
    here.want(key_of("three"), 3.0)
    left = [file.rows(f"SELECT count(*) FROM {table}", ())[0][0] for table in ("wanted", "relays", "parts")]
    assert left == [1, 1, 1]
    file.close()


def test_a_file_that_was_made_without_them_and_one_that_begins_anew_have_them(tmp_path: Path):
    present = Present()
    file, _ = relays(tmp_path, present)
    file.put(an_answer("a"), b"")
    other, there = relays(tmp_path, present)
    assert there.wanted() == set()
    there.want(key_of("one"), 3.0)
    # Somebody has removed the file, and says so.
    for each in (tmp_path / "cache").glob("answers.db*"):
        each.unlink()
    file.page().tell_file()
    assert there.wanted() == set()
    there.say(key_of("one"), [b"a"], 3.0, anew=False)
    assert there.said(key_of("one"), 0) == [b"a"]
    file.close()
    other.close()
