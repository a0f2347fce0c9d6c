from __future__ import annotations

from pathlib import Path

from openai.types import Model

from gateway.wire.openai_models import model_body, models_body

GOLDEN = Path(__file__).parents[2] / "golden" / "openai_models"


def test_list_is_written_as_openai_writes_it() -> None:
    assert models_body(["gpt-4o-mini", "sim/echo"]) == (GOLDEN / "list.json").read_bytes()
    assert models_body([]) == b'{"object":"list","data":[]}'


def test_one_model_is_written_as_openai_writes_it() -> None:
    assert model_body("sim/echo") == (GOLDEN / "one.json").read_bytes()
    assert Model.model_validate_json(model_body('odd "name"')).id == 'odd "name"'
