"""Wherever a configuration may hold something, it may hold anything: it is taken, or said to be wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.environment import Options
from gateway.config.load import load_settings
from tests.support.docs_pages import Block, blocks
from tests.wire.test_any_type import places, put

ANYTHING: tuple[Any, ...] = (7, {}, [{}])


@pytest.mark.parametrize("block", [*blocks("yaml config"), *blocks("yaml config-part")], ids=lambda block: block.page)
def test_a_configuration_may_hold_anything_anywhere(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "weighbridge.yaml"
    document = {"version": 1, **yaml.safe_load(block.body)}
    for place in places(document):
        for value in ANYTHING:
            file.write_text(yaml.safe_dump(put(document, place, value)))
            result = load_settings(Options(config=str(file)), {"WEIGHBRIDGE_HOME": str(tmp_path / "home")}, tmp_path)
            assert (result.settings is None) == bool(result.problems)
