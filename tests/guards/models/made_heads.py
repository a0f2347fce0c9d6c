"""Small heads for tests: n-grams that know a few words, a network that reads one number of a made-up embedding."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gateway.guards.models.calibration import table
from gateway.guards.models.heads import LISTING, Blend, Judge, Scale
from gateway.guards.models.ngrams import BUCKETS, features
from gateway.guards.models.toxicity import CATEGORIES, Mix
from gateway.guards.models.word_weights import table as weighed

BLEND = Blend(ngram=0.5, model=0.5, bias=0.0, low=-4.0, high=4.0)
SCALE = Scale((-8.0, 8.0), (-8.0, 8.0))


def judge(per_doubling: float = 0.0) -> Judge:
    values = [number / 1_000 for number in range(1_000)]
    return Judge(blend=BLEND, scale=SCALE, table=table(values), per_doubling=per_doubling)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their listing."""
    path = folder / LISTING
    listing = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    for name, content in files.items():
        (folder / name).write_bytes(content)
        listing[name] = hashlib.sha256(content).hexdigest()
    path.write_bytes(msgspec.json.encode(listing))


def arrays(**named: Any) -> bytes:
    target = io.BytesIO()
    np.savez(target, allow_pickle=True, **{name: np.asarray(value) for name, value in named.items()})
    return target.getvalue()


def ngrams(words: Mapping[str, float], bias: float) -> bytes:
    """Weights under which a word adds about so much to a text of a few words."""
    weights = np.zeros(BUCKETS, dtype=np.float16)
    for word, weight in words.items():
        [(buckets, _)] = features(word, [(0, len(word))])
        weights[buckets[0]] += weight
    return arrays(weights=weights, bias=np.array([bias], dtype=np.float32))


def head(outputs: int = 1) -> bytes:
    """A network whose outputs are the embedding's first numbers."""
    hidden = np.zeros((384, 2 * outputs), dtype=np.float32)
    out = np.zeros((2 * outputs, outputs), dtype=np.float32)
    for number in range(outputs):
        hidden[number, 2 * number], hidden[number, 2 * number + 1] = 1.0, -1.0
        out[2 * number, number], out[2 * number + 1, number] = 1.0, -1.0
    return arrays(hidden=hidden, hidden_bias=np.zeros(2 * outputs), out=out, out_bias=np.zeros(outputs))


def injection_folder(folder: Path, per_doubling: float = 0.0) -> Path:
    scalar_bias = msgspec.json.encode({name: judge(per_doubling) for name in ("injection", "instruction")})
    files = {"injection.json": scalar_bias}
    for category, words in (("injection", {"ignore": 12.0}), ("instruction", {"translate": 12.0})):
        files |= {f"{category}-ngrams.npz": ngrams(words, -4.0), f"{category}-head.npz": head()}
    write(folder, files)
    return folder


def toxicity_folder(folder: Path) -> Path:
    words = {category: [f"listed {category.replace('_', ' ')}"] for category in CATEGORIES}
    write(
        folder,
        {
            "toxicity-ngrams.npz": ngrams({"awful": 12.0}, -4.0),
            "toxicity-head.npz": head(1 + len(CATEGORIES)),
            "toxicity.json": msgspec.json.encode({"toxicity": judge()}),
            "toxicity-mix.json": msgspec.json.encode(Mix(bonus=3.0, category=2.0, least=-1.0, most=4.0)),
            "toxicity-words.npz": arrays(**weighed([("dreadful", 9.0, 1.0), ("lovely", -9.0, 1.0)])),
            "toxic-words.json": msgspec.json.encode(words),
        },
    )
    return folder


class Embedding:
    """Stands in for the embedder: a text's vector is what a function says of it; remembers what it was asked."""

    def __init__(self, says: Callable[[str], Sequence[float]]) -> None:
        self._says = says
        self.asked: list[list[str]] = []

    async def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        rows = np.zeros((len(texts), 384), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            said = self._says(text)
            row[: len(said)] = said
        return rows
