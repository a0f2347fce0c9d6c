"""How far estimates of tokens are from OpenAI's own counts, on recorded calls.

python -m loadtests.token_counts FOLDER [--half learnt|unseen] [--worst 10]

See :mod:`loadtests.recordings` for what the folder holds. Rules are learnt from every second repository by name; the
others say whether they hold. Left out are calls with images, sound, files and tools of the provider's own, and those
that go on from what only the provider keeps: what these cost stands in no request.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from gateway.accounting.chat_tokens import Counted, is_legacy, to_count
from gateway.clients.tokenizers import encoding_name, load_encoding
from gateway.core.chat import ChatRequest, Media, Opaque, ToolResult
from gateway.core.errors import GatewayError
from gateway.core.ports import Dialect
from gateway.wire.bridge import CODECS
from loadtests.recordings import Recording, read

FAMILIES = ("gpt-3.5", "gpt-35", "gpt-4o", "gpt-4.1", "gpt-4.5", "gpt-4", "gpt-5", "o1", "o3", "o4")
PATHS = {"openai_chat": "/v1/chat/completions", "openai_responses": "/v1/responses"}
ELSEWHERE = ("previous_response_id", "conversation", "prompt", "web_search_options", "modalities")


class Compared(msgspec.Struct, kw_only=True):
    """One call's estimate beside what was reported.

    Attributes:
        group: Dialect, family of models, and what was compared.
        estimated: Tokens.
        reported: Tokens.
        path: Where it was recorded.
    """

    group: tuple[str, str, str]
    estimated: int
    reported: int
    path: str

    @property
    def error(self) -> float:
        """Relative to what was reported."""
        return (self.estimated - self.reported) / self.reported


class Counter:
    """Counts texts as the product does.

    Args:
        load: Loads an encoding by its name.
    """

    def __init__(self, load: Any = load_encoding) -> None:
        self._load = load
        self._loaded: dict[str, Any] = {}

    def count(self, model: str, texts: Iterable[str]) -> int:
        """Count texts that stand apart."""
        name = encoding_name(model)
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return sum(len(self._loaded[name].encode_ordinary(text)) for text in texts)

    def counted(self, model: str, counted: Counted) -> int:
        """Count a request that was laid out."""
        return counted.around + self.count(model, counted.texts)


def countable(recording: Recording) -> ChatRequest | None:
    """Read a recorded request; ``None`` where it does not hold all that was counted."""
    if any(recording.asked.get(key) for key in ELSEWHERE) or "search" in recording.model or "audio" in recording.model:
        return None
    try:
        chat = CODECS[recording.dialect].read_request(recording.asked, PATHS[recording.dialect])
    except GatewayError:
        return None
    parts = [part for turn in chat.turns for part in turn.parts]
    inner = [each for part in parts if isinstance(part, ToolResult) for each in part.parts]
    if any(isinstance(part, Media | Opaque) for part in [*parts, *inner]) or any(not tool.name for tool in chat.tools):
        return None
    return chat


def family(model: str) -> str:
    """Of which models one is."""
    return next((each for each in FAMILIES if model.startswith(each)), model)


def compare(recording: Recording, counter: Counter) -> Iterator[Compared]:
    """Compare a recorded call's input and output."""
    chat = countable(recording)
    usage, model = recording.usage, recording.model
    reported = usage.get("prompt_tokens") or usage.get("input_tokens") or 0
    kind = (recording.dialect.removeprefix("openai_"), family(model))
    if chat is not None and reported:
        counted = to_count(chat, "openai", model, legacy=is_legacy(recording.asked))
        what = "input with tools" if chat.tools else "input, text only"
        yield Compared(
            group=(*kind, what), estimated=counter.counted(model, counted), reported=reported, path=recording.path
        )
    details = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    written = usage.get("completion_tokens") or usage.get("output_tokens") or 0
    written -= details.get("reasoning_tokens") or 0
    if written > 0 and not details.get("audio_tokens"):
        dialect: Dialect = importlib.import_module(f"gateway.wire.{recording.dialect}").DIALECT
        text = dialect.answer_text(recording.answer, [recording.stream] if recording.answer is None else [])
        yield Compared(
            group=(*kind, "output"), estimated=counter.count(model, [text]), reported=written, path=recording.path
        )


def rows(compared: list[Compared]) -> Iterator[tuple[str, ...]]:
    """A row for each group, and one for each dialect."""
    groups = dict.fromkeys([*sorted({each.group for each in compared})])
    for dialect, models, what in groups:
        yield _row((dialect, models, what), [each for each in compared if each.group == (dialect, models, what)])
    for dialect, what in dict.fromkeys((dialect, what) for dialect, _, what in groups):
        found = [each for each in compared if each.group[0] == dialect and each.group[2] == what]
        yield _row((dialect, "all", what), found)


def _row(names: tuple[str, ...], compared: list[Compared]) -> tuple[str, ...]:
    whole = sum(each.reported for each in compared)
    return (
        *names,
        str(len(compared)),
        str(sum(each.estimated == each.reported for each in compared)),
        f"{100 * statistics.fmean(abs(each.error) for each in compared):.2f}",
        f"{100 * sum(abs(each.estimated - each.reported) for each in compared) / whole:.2f}",
        f"{100 * sum(each.estimated - each.reported for each in compared) / whole:+.2f}",
        f"{100 * max(compared, key=lambda each: abs(each.error)).error:+.1f}",
    )


def half(recordings: list[Recording], which: str) -> list[Recording]:
    """Those of every second repository by name, or of the others, or all."""
    names = sorted({each.repository for each in recordings}, key=str.lower)
    taken = {"learnt": set(names[::2]), "unseen": set(names[1::2])}.get(which, set(names))
    return [each for each in recordings if each.repository in taken]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.token_counts", description=__doc__)
    parser.add_argument("folder", type=Path, help="one sub-folder for each repository")
    parser.add_argument("--half", choices=["learnt", "unseen", "all"], default="all", help="which repositories")
    parser.add_argument("--worst", type=int, default=0, help="name so many calls that are furthest off")
    args = parser.parse_args()
    counter = Counter()
    recordings = half(list(read(args.folder)), args.half)
    compared = [each for recording in recordings for each in compare(recording, counter)]
    print(f"{len(recordings)} calls of {len({each.repository for each in recordings})} repositories; errors in %")
    print("| dialect | models | what | calls | exact | mean of each | of all tokens | sum | worst |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows(compared):
        print(f"| {' | '.join(row)} |")
    inputs = [each for each in compared if each.group[2] != "output"]
    for each in sorted(inputs, key=lambda each: -abs(each.error))[: args.worst]:
        print(f"{each.estimated} for {each.reported}: {' '.join(each.group)}, {each.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
