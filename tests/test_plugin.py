"""The public API: these names and no others, of use to a type checker, and without what a plugin does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gateway.plugin

ROOT = Path(__file__).parents[1]
PUBLIC = [
    "API_VERSION", "KEY", "About", "CallDetector", "CallFinding", "Detector", "DetectorKind", "Direction", "Finding",
    "Kind", "NoOptions", "OutsideDetector", "Path", "PieceDetector", "Plugin", "Scope", "Segment", "Subject",
    "TextDetector",
]  # fmt: skip
TYPED = """
from collections.abc import Sequence
import msgspec
from gateway.plugin import *
from gateway.plugin import testing

class Options(msgspec.Struct, frozen=True):
    word: str = "x"

class Text:
    name = "text"
    scope = Scope(directions=("response",), kinds=("text", "tool_argument"), structured=True)
    def find(self, text: str, about: About) -> list[Finding]:
        return [Finding(kind="k", start=0, end=len(text), label="L", score=0.5, replacement="")]

class Piece:
    name = "piece"
    reach = 0
    def find(self, text: str) -> list[Finding]:
        return []
    def pending(self, text: str, at: int) -> int:
        return len(text)

class Call:
    name = "call"
    def judge(self, subject: Subject) -> list[CallFinding]:
        way: Direction = subject.direction
        return [CallFinding(kind=way, path=segment.path, removes=True) for segment in subject.segments]

class Outside:
    name = "outside"
    async def judge(self, texts: Sequence[tuple[str, About]]) -> list[list[Finding]]:
        return [[] for _ in texts]
    async def close(self) -> None:
        pass

def build(name: str, options: Options) -> TextDetector:
    return Text()

detectors: list[Detector] = [Text(), Piece(), Call(), Outside()]
PLUGIN = Plugin(name="p", api=API_VERSION, detectors=(DetectorKind(name="k", build=build, options=Options),))
testing.check_text(Text(), ["a"])
"""


def test_these_names_are_public() -> None:
    assert gateway.plugin.__all__ == PUBLIC
    assert all(hasattr(gateway.plugin, name) for name in PUBLIC)


def test_importing_it_brings_no_driver_and_no_room() -> None:
    script = "import sys, gateway.plugin; print([name for name in sys.modules if name.startswith('gateway.')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in done.stdout.strip("[]\n'").split("', '")}
    assert rooms == {"core", "plugin"}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_plugin_is_typed(tmp_path: Path) -> None:
    module = tmp_path / "typed.py"
    module.write_text(TYPED)
    broken = tmp_path / "broken.py"
    broken.write_text(TYPED + "detectors.append(5)\nFinding(kinds='x')\nScope(kinds=('texts',))\n")
    config = tmp_path / "pyrightconfig.json"
    config.write_text(f'{{"typeCheckingMode": "strict", "extraPaths": ["{ROOT}"]}}')
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--project", str(config), "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if " - error: " in line]
    assert [line for line in lines if "typed.py" in line] == []
    numbers = {int(line.split("broken.py:")[1].split(":")[0]) - TYPED.count("\n") for line in lines}
    assert numbers == {1, 2, 3}, done.stdout
