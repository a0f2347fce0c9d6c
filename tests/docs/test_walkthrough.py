"""The walk-through of the policy page, walked: its files are written, its commands run, its output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.ports import free_port
from tests.support.docs_pages import ROOT, read
from tests.support.gateway_run import environment

pytestmark = pytest.mark.integration

PAGE = "docs/policies.md"
_FENCE = re.compile(r"^```(?P<info>yaml file \S+|console)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'(\w+)'")
_PORT = "127.0.0.1:8080"
# What a change of a file takes to arrive, on a busy machine.
_PATIENCE_S = 40.0


def steps(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a block with the output that the page shows."""
    lines = iter(body.splitlines())
    command, shown = "", list[str]()
    for line in lines:
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(shown)
            command, shown = line[2:], []
            ending = _HEREDOC.search(line)
            while ending and command.splitlines()[-1] != ending[1]:
                command += "\n" + next(lines)
        else:
            shown.append(line)
    yield command, "\n".join(shown)


def matches(shown: str, said: str) -> bool:
    """Whether a command said what the page shows; … stands for anything on a line."""
    pattern = ".*".join(re.escape(part) for part in shown.split("…"))
    return re.fullmatch(pattern, said) is not None


class Shell:
    """A shell that a person types into."""

    def __init__(self, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        tools = folder / "bin"
        tools.mkdir()
        (tools / "weighbridge").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
        (tools / "weighbridge").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        env = environment(folder / "home", PATH=path, WEIGHBRIDGE_LISTEN=self.address, PYTHONPATH=str(ROOT))
        self.folder = folder
        self.process = subprocess.Popen(
            ["bash"], cwd=folder, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, command: str) -> str:
        assert self.process.stdin
        assert self.process.stdout
        if command.endswith(" &"):
            command = f"{command[:-2]} >serve.log 2>&1 &"
        self.process.stdin.write(f"{command.replace(_PORT, self.address)}\necho; echo '<done>'\n")
        self.process.stdin.flush()
        said: list[str] = []
        while (line := self.process.stdout.readline()) != "<done>\n":
            assert line, "the shell has gone"
            said.append(line.replace("\r", ""))
        return "".join(said).removesuffix("\n").rstrip("\n")

    def close(self) -> None:
        self.run("kill %1; wait")
        self.process.communicate("", 20)


def test_the_walk_through_is_as_it_says(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    walked = 0
    try:
        for block in _FENCE.finditer(read(PAGE)):
            if block["info"] != "console":
                file = tmp_path / block["info"].split()[-1]
                file.parent.mkdir(exist_ok=True)
                file.write_text(block["body"])
                continue
            for command, shown in steps(block["body"]):
                deadline = time.monotonic() + _PATIENCE_S
                said = shell.run(command)
                while shown and not matches(shown, said) and time.monotonic() < deadline:
                    time.sleep(0.2)
                    said = shell.run(command)
                assert not shown or matches(shown, said), f"{command}\n{said}\nnot\n{shown}"
                walked += 1
    finally:
        shell.close()
    assert walked > 15
