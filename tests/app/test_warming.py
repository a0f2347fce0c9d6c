from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("semantic", "read"), [("", 0), ("semantic: {enabled: true, mode: off}", 0), ("semantic: {enabled: true}", 1)]
)
def test_words_are_read_where_alike_questions_are_looked_for(tmp_path: Path, semantic: str, read: int) -> None:
    """In a process of its own, since this one may have read them."""
    (tmp_path / "weighbridge.yaml").write_text(f"version: 1\ncache:\n  exact: {{ttl: 1h}}\n  {semantic}\n")
    script = (
        "from pathlib import Path\n"
        "from gateway.app.warming import read_words\n"
        "from gateway.cache.lexicon import lexicon\n"
        "from gateway.config.environment import Options\n"
        "from gateway.config.load import load_settings\n"
        "here = Path.cwd()\n"
        "read_words(load_settings(Options(), {'WEIGHBRIDGE_HOME': str(here)}, here).settings)\n"
        "print(lexicon.cache_info().currsize)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert int(ran.stdout) == read


def test_what_is_in_force_is_kept_in_the_home(tmp_path: Path) -> None:
    """In a process of its own, since it loads the price list."""
    (tmp_path / "weighbridge.yaml").write_text("version: 1\nprices: {overrides: prices.yaml}\n")
    (tmp_path / "prices.yaml").write_text("- {provider: p, model: m, input: 2}\n")
    script = (
        "from pathlib import Path\n"
        "from gateway.accounting.prices import PriceBook\n"
        "from gateway.app.warming import warm_up\n"
        "from gateway.config.environment import Options\n"
        "from gateway.config.load import load_settings\n"
        "from gateway.config.price_leaps import known_prices\n"
        "here = Path.cwd()\n"
        "settings = load_settings(Options(), {'WEIGHBRIDGE_HOME': str(here)}, here).settings\n"
        "warm_up(PriceBook(settings.prices.rows), settings)\n"
        "print(known_prices(here).accepted[0].input_usd_mtok)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert ran.stdout == b"2.0\n"
