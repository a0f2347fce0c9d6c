from __future__ import annotations

from gateway.config.shipped import shipped_policies_dir


def test_the_baseline_is_shipped():
    assert (shipped_policies_dir() / "baseline.yaml").is_file()
