from __future__ import annotations

import asyncio

import pytest

from gateway.app.models import Door, Models
from gateway.core.errors import Misconfigured
from gateway.guards.models.scoring import Scorer
from gateway.plugin.guard import About
from tests.support.scorers import Room, WordScorer


def test_a_model_is_loaded_once_when_it_is_first_asked_and_closed_with_all() -> None:
    loaded: list[str] = []
    room = Room()

    def load(name: str) -> Scorer:
        loaded.append(name)
        return room(name)

    models = Models(load)
    scorer = Door(models).scorer("injection")
    assert loaded == []

    async def ask() -> None:
        for _ in range(2):
            await scorer.score([("poison", About("request"))], 0.5)
        await models.close()

    asyncio.run(ask())
    assert (loaded, room.asked, room.scorers["injection"].closed) == (["injection"], ["poison", "poison"], True)


def test_a_door_leads_where_it_is_turned_to() -> None:
    first, second = Room(), Room()
    door = Door(Models(first))
    scorer = door.scorer("injection")
    assert scorer.threshold(0.01) == 0.6
    door.models = Models(second)
    asyncio.run(scorer.score([("tea", About("request"))], 0.1))
    assert (first.asked, second.asked) == ([], ["tea"])
    asyncio.run(scorer.close())
    assert not second.scorers["injection"].closed


def test_where_models_cannot_run_none_is_given() -> None:
    def missing() -> None:
        raise Misconfigured("no extra")

    with pytest.raises(Misconfigured, match="no extra"):
        Door(Models(lambda name: WordScorer(name, {}), missing)).scorer("injection")
