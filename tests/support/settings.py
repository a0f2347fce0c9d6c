"""Load a configuration as a test writes it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from gateway.config.environment import Options
from gateway.config.load import LoadResult, load_settings
from gateway.config.settings import Settings


def load(cwd: Path, text: str = "", options: Options | None = None, **environ: str) -> LoadResult:
    if text:
        (cwd / "weighbridge.yaml").write_text(textwrap.dedent(text))
    return load_settings(options or Options(), environ, cwd)


def good(result: LoadResult) -> Settings:
    assert [str(problem) for problem in result.problems] == []
    assert result.settings is not None
    return result.settings


def wrong(result: LoadResult) -> list[str]:
    assert result.settings is None
    return [str(problem) for problem in result.problems]
