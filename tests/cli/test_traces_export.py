from __future__ import annotations

import pytest

from tests.cli.conftest import Weighbridge


@pytest.mark.parametrize("words", [["--format", "xlsx"], ["--json"], ["--stream", "maybe"]])
def test_wrong_usage_is_2(weighbridge: Weighbridge, words: list[str]) -> None:
    done = weighbridge("traces", "export", *words)
    assert (done.returncode, done.stdout) == (2, b"")


def test_its_help_names_the_formats_and_the_filters(weighbridge: Weighbridge) -> None:
    said = weighbridge("traces", "export", "--help").stdout
    for word in (b"openai-finetune", b"anthropic-finetune", b"parquet", b"--bodies", b"--text", b"--rule", b"--tag"):
        assert word in said
