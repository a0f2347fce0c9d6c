from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_words_are_spelt_as_the_dictionary_has_them() -> None:
    """What is no English, or wrong on purpose, is named in pyproject.toml."""
    places = ["gateway", "tests", "loadtests", "docs", *(path.name for path in ROOT.glob("*.md"))]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *places], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0)
