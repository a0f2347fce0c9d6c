from __future__ import annotations

from gateway.guards.line import Line
from tests.guards.handmade import does, engine, named


def test_there_is_no_way_until_an_engine_is_connected() -> None:
    assert Line().ask is None
    guards = engine(
        does("r", "j", "block"), kinds=(named("j", "judge", options={"model": "m", "rubric": "Be kind."}),)
    )  # fmt: skip
    assert guards.kit.forms == {"j": "judge"}

    async def ask(model: str, system: str, text: str, max_tokens: int) -> str:
        return model + system + text + str(max_tokens)

    guards.connect(ask)
    assert guards.kit.line.ask is ask
