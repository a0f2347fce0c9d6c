"""Reads samples of captured bodies: a program of its own, started by :mod:`gateway.operator.drift_reading`.

Reading and embedding take memory and a processor for a while; here they take neither from the operator for longer than
that. A line is one body, as a :class:`gateway.operator.drift_bodies.Body`; an empty line asks for what was made of
those before it, and one with a dash asks for it without embeddings. The answer is one line of JSON, a ``Read``: no text
goes back.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from gateway.config.settings import ModelRunner
from gateway.core.drift_hours import LEAST_EMBEDDED
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.core.language import detect
from gateway.core.refusals import says_no
from gateway.operator.drift_bodies import ASK, ASKING, Body, Read
from gateway.operator.drift_texts import texts_of

# Who answers calls comes first.
NICENESS = 15
# A question's topic is told by its beginning; each 256 word pieces are a run of the model.
_EMBEDDED_CHARS = 1_000
_LOADING = "gateway.guards.models.loading"
_TIMEOUT_S = 60.0

# Gives vectors at unit length.
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


def read(bodies: Sequence[Body], embed: Embed | None) -> Read:
    """Read bodies; what holds no text counts for nothing.

    Args:
        bodies: Of one hour, alias and prompt.
        embed: Embeds questions, if they are to be; may raise ``ModelFailed``.
    """
    asked, said = Counter[str](), Counter[str]()
    refusals = 0
    questions: list[str] = []
    for body in bodies:
        texts = texts_of(body.dialect, body.request, body.response)
        if texts.question:
            questions.append(texts.question)
            asked[_language(texts.question)] += 1
        if texts.answer or body.told:
            said[_language(texts.answer)] += 1
            refusals += body.told or says_no(texts.answer)
    found = Read(len(questions), said.total(), refusals, dict(asked), dict(said))
    if embed is not None and len(questions) >= LEAST_EMBEDDED:
        try:
            vectors = embed([question[:_EMBEDDED_CHARS] for question in questions])
        except ModelFailed as error:
            found.unembedded = error.public_message
        else:
            found.embedded = len(questions)
            found.embedding = [float(sum(column)) for column in zip(*vectors, strict=True)]
    return found


def _language(text: str) -> str:
    known = detect(text)
    return known[0] if known is not None else ""


@contextmanager
def embedding(home: Path) -> Generator[Embed]:
    """Give what embeds with the models of a data home; loaded when it is first asked."""
    runner: asyncio.Runner | None = None
    embedder: Any = None

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        nonlocal runner, embedder
        if runner is None:
            try:
                loading = import_module(_LOADING)
                backend = loading.open_backend(home, ModelRunner(threads=1, timeout_s=_TIMEOUT_S))
                embedder = loading.Loader(backend, home).embedder
            except ImportError:
                raise ModelFailed("Questions are not embedded: that needs weighbridge[models].") from None
            except Misconfigured as error:
                raise ModelFailed(error.public_message) from None
            runner = asyncio.Runner()
        return runner.run(embedder.embed(texts)).tolist()

    try:
        yield embed
    finally:
        if runner is not None:
            runner.close()


def serve(lines: BinaryIO, answers: BinaryIO, embed: Embed | None) -> None:
    """Answer until nobody asks any more."""
    decoder, bodies = msgspec.json.Decoder(Body), list[Body]()
    while line := lines.readline():
        if line not in ASKING:
            bodies.append(decoder.decode(line))
            continue
        answers.write(msgspec.json.encode(read(bodies, embed if line == ASK else None)) + b"\n")
        answers.flush()
        bodies.clear()


def main() -> None:
    """Serve a pipe: the data home is the argument, and none of it is embedded where there is none."""
    # Libraries print; answers have a pipe of their own.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.nice(NICENESS)
    with embedding(Path(sys.argv[1])) if len(sys.argv) > 1 else nullcontext() as embed:
        serve(sys.stdin.buffer, answers, embed)


if __name__ == "__main__":
    main()
