"""The model files in the data home, and the manifest that says what each of them must be."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

import gateway
from gateway.clients.packages import Package
from gateway.core.errors import ModelFailed

# What we trained or measured ourselves, in the wheel.
SHIPPED = Path(gateway.__file__).parent / "_models"
MANIFEST = "manifest.json"
# Where an installation may bring the files along, as an image does; what a data home has goes before it.
INSTALLED = Path(sys.prefix) / "share" / "weighbridge" / "models"
ATTRIBUTION = "ATTRIBUTION.md"
SMOOTHING, GLANCE, DELTAS = "smoothing.npz", "names-glance.npz", "cross-encoder.npz"
# The files made of each package, by what it is for. The cross-encoder is the embedder with a correction.
MODELS: Mapping[str, tuple[str, ...]] = {
    "embedder": ("embedder.onnx", "embedder-tokenizer.json", "cross-encoder.onnx"),
    "names": ("names.onnx", "names-tokenizer.json", "names-labels.json"),
}
BUILD = "weighbridge models build"
# The code that makes the files.
_SOURCES = (
    *(
        Path(__file__).with_name(f"{name}.py")
        for name in ("building", "cross_encoder", "encoder", "glance", "smoothing", "weights")
    ),
    Path(gateway.__file__).parent / "clients" / "onnx_graph.py",
)

State = Literal["ok", "missing", "corrupt", "outdated"]


class FileEntry(msgspec.Struct, frozen=True):
    """What a file must be."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """What was built.

    Attributes:
        recipe: Digest of all that the files were made from, code included; another one means that they are outdated.
        files: Every file, by name.
        version: Of this document.
    """

    recipe: str
    files: dict[str, FileEntry]
    version: int = 1


class _Packages(msgspec.Struct, frozen=True):
    packages: tuple[Package, ...]


class Report(msgspec.Struct, frozen=True):
    """How one file stands."""

    file: str
    model: str
    state: State
    bytes: int = 0
    sha256: str = ""


def folder(home: Path) -> Path:
    """Return where model files are: in the data home, or with the installation where the home has none."""
    own = home / "models"
    return INSTALLED if not (own / MANIFEST).exists() and (INSTALLED / MANIFEST).exists() else own


def packages() -> tuple[Package, ...]:
    """Return the packages that models are built from."""
    return msgspec.json.decode((SHIPPED / "packages.json").read_bytes(), type=_Packages).packages


def recipe() -> str:
    """Return the digest of everything that the files are made from: packages, what we measured or learned, and code."""
    digest = hashlib.sha256()
    for path in (*_SOURCES, SHIPPED / SMOOTHING, SHIPPED / GLANCE, SHIPPED / DELTAS):
        digest.update(path.read_bytes())
    for package in packages():
        digest.update(package.sha256.encode())
    return digest.hexdigest()


def manifest(models: Path) -> Manifest | None:
    """Return what a folder's manifest says; ``None`` when there is none that can be read."""
    try:
        return msgspec.json.decode((models / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def load(home: Path, file: str) -> bytes:
    """Return the bytes of a model's file, verified.

    Raises:
        ModelFailed: It is not there, or it is not the file that was built.
    """
    models = folder(home)
    built = manifest(models)
    entry = built.files.get(file) if built else None
    if entry is None:
        raise ModelFailed(f"The model file {file} has not been built: {BUILD}")
    try:
        data = (models / file).read_bytes()
    except OSError:
        raise ModelFailed(f"The model file {file} cannot be read: {BUILD}") from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ModelFailed(f"The model file {file} is not the one that was built: {BUILD}")
    return data


def inspect(home: Path, recipe: str = "") -> list[Report]:
    """Look at every file there should be.

    Args:
        home: The data home.
        recipe: The recipe in force; empty to accept any.
    """
    models = folder(home)
    built = manifest(models)
    return [_inspected(models, built, model, file, recipe) for model, files in MODELS.items() for file in files]


def _inspected(models: Path, built: Manifest | None, model: str, file: str, recipe: str) -> Report:
    entry = built.files.get(file) if built else None
    try:
        data = (models / file).read_bytes()
    except OSError:
        return Report(file, model, "missing")
    digest = hashlib.sha256(data).hexdigest()
    state: State = "ok"
    if entry is None or digest != entry.sha256:
        state = "corrupt"
    elif recipe and built is not None and built.recipe != recipe:
        state = "outdated"
    return Report(file, model, state, len(data), digest)
