"""Builds the images of the Dockerfile without a daemon and without a registry of images: by buildah, as root.

The base that the Dockerfile names by default is an official image of Python. Where none can be pulled, one is made of
Debian's packages (debootstrap), which is enough to show that the Dockerfile builds and what comes of it; its Python is
Debian's.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# Layers of images, in a folder that git and the build itself do not look at.
STORE = ROOT / "build" / "images"
BASE = "localhost/weighbridge-base"
SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates", "binutils", "tzdata")
CLIENTS_CONF = {"index-url", "extra-index-url", "timeout", "retries", "proxy"}


def buildah(*words: str | Path, told: bool = False) -> str:
    """Run buildah on our own store; returns what it printed.

    Args:
        words: Of the command line.
        told: Whether what goes on is shown.
    """
    store = ("--storage-driver", "vfs", "--root", STORE / "root", "--runroot", STORE / "run")
    done = subprocess.run(
        ["buildah", *store, *words],
        stdout=subprocess.PIPE,
        stderr=None if told else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"buildah {words[0]}: {done.stderr or done.stdout}")
    return done.stdout.strip()


def has(image: str) -> bool:
    """Whether an image is in the store."""
    return bool(buildah("images", "--quiet", "--filter", f"reference={image}"))


def make_base() -> None:
    """Make the base out of Debian's packages, unless that was done before."""
    if has(BASE):
        return
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(SITE)"], capture_output=True, text=True, check=True
    )
    mirror = next(line for line in told.stdout.splitlines() if line.rstrip("/").endswith("debian"))
    with tempfile.TemporaryDirectory(dir=STORE.parent) as folder:
        print(f"base: Debian {SUITE}", flush=True)
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, folder, mirror],
            stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit("debootstrap could not make the base")
        shutil.rmtree(Path(folder) / "var/cache/apt", ignore_errors=True)
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, folder, "/")
        buildah("commit", "--quiet", container, BASE)
        buildah("rm", container)


@contextlib.contextmanager
def secrets() -> Generator[list[str], None, None]:
    """Give the build what this machine's pip is told of indexes and authorities; nothing of it stays in the image."""
    listed = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    said: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        said[name.rpartition(".")[2]] = value.strip("'\"")
    with tempfile.TemporaryDirectory() as folder:
        given: list[str] = []
        conf = [f"{name} = {value}" for name, value in said.items() if name in CLIENTS_CONF and "file:" not in value]
        if certificates := said.get("cert"):
            conf.append("cert = /run/secrets/authorities")
            given += ["--secret", f"id=authorities,src={certificates}"]
        file = Path(folder) / "pip.conf"
        file.write_text("\n".join(["[global]", *conf, ""]))
        yield [*given, "--secret", f"id=pip,src={file}"]


def build(target: str, base: str, pgo: str) -> str:
    """Build one target; returns the image's name."""
    image = f"localhost/weighbridge:{target}"
    with secrets() as given:
        buildah(
            *("bud", "--pull-never", "--isolation", "chroot", "--format", "docker", "--quiet", "--target", target),
            *("--build-arg", f"PYTHON={base}", "--build-arg", f"PGO={pgo}", "--tag", image, *given, ROOT),
            told=True,
        )
    return image


def configuration(image: str) -> dict[str, Any]:
    """Return what an image says of itself: user, environment, entry point, command, health check."""
    return json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]


@contextlib.contextmanager
def mounted(image: str) -> Generator[Path, None, None]:
    """Give the image's files."""
    container = buildah("from", "--pull-never", image)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("umount", container)
        buildah("rm", container)
