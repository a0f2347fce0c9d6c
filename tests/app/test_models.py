from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.app.models import Door, Loading, Models
from gateway.config.settings import ModelRunner
from gateway.core.errors import Misconfigured, ModelFailed
from gateway.guards.models.scoring import Scorer
from gateway.plugin.guard import About
from tests.support.models import built_home
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


def test_texts_are_embedded_by_the_model_of_the_data_home() -> None:
    models = Models(Loading(built_home(), ModelRunner()))

    async def embed() -> Any:
        try:
            return await models.embed(["How do I reset my password?", "How can I set a new password?", "It rains."])
        finally:
            await models.close()

    same, alike, other = asyncio.run(embed())
    assert same @ same == pytest.approx(1, abs=1e-5)
    assert same @ alike > 0.7
    assert same @ other < 0.3


def test_who_has_no_model_cannot_embed_and_says_why(tmp_path: Path) -> None:
    async def embed(models: Models) -> str:
        try:
            await models.embed(["hello"])
        except ModelFailed as failed:
            return failed.public_message
        finally:
            await models.close()
        return ""

    assert "weighbridge models build" in asyncio.run(embed(Models(Loading(tmp_path, ModelRunner()))))
    assert asyncio.run(embed(Models(Room()))) == "There is no model that embeds."


def test_pairs_are_read_together_by_the_model_of_the_data_home() -> None:
    models = Models(Loading(built_home(), ModelRunner()))

    async def read() -> list[float]:
        try:
            texts = ("How do I reset my password?", "How can I reset my password?", "Where is the door?")
            kept = [await models.pieces(text) for text in texts]
            return [await models.odds(kept[0], other) for other in kept[1:]]
        finally:
            await models.close()

    alike, other = asyncio.run(read())
    assert alike > 0 > other


def test_who_has_no_model_cannot_read_pairs_and_says_why(tmp_path: Path) -> None:
    async def read(models: Models) -> str:
        try:
            await models.pieces("hello")
        except ModelFailed as failed:
            return failed.public_message
        finally:
            await models.close()
        return ""

    assert "weighbridge models build" in asyncio.run(read(Models(Loading(tmp_path, ModelRunner()))))
    assert asyncio.run(read(Models(Room()))) == "There is no model that reads two texts together."
