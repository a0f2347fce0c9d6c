from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from gateway.core.errors import NotAvailable
from gateway.core.exchange import Deployment, RoutePlan
from gateway.upstream.catalog import CatalogProvider, DescribedModel, Listing, described_by, listing_of
from tests.support.sinks import KeepingSink

NAMES = ("small", "meta-llama/x", "sim/echo")


def ask(path: str) -> KeepingSink:
    async def main() -> KeepingSink:
        sink = KeepingSink()
        CatalogProvider(NAMES).send(path, b"", sink)
        assert not sink.status, "nothing is said before the caller has got its handle"
        await asyncio.wait_for(sink.done.wait(), 20)
        return sink

    return asyncio.run(main())


@pytest.mark.parametrize("path", ["/models", "/models?limit=5"])
def test_every_alias_is_listed_in_order(path: str):
    sink = ask(path)
    assert (sink.status, sink.headers) == (200, {b"content-type": b"application/json"})
    document: Any = sink.document
    assert document["object"] == "list"
    assert [each["id"] for each in document["data"]] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_one_alias_is_shown_as_it_is_listed(name: str):
    assert ask(f"/models/{name}?x=y").document in ask("/models").document["data"]


def test_an_unknown_name_is_a_404_in_openai_s_shape_and_long_names_are_not_repeated():
    sink = ask("/models/nothing")
    assert sink.status == 404
    assert sink.document["error"]["code"] == "model_not_found"
    assert "'nothing'" in sink.document["error"]["message"]
    assert len(ask("/models/" + "x" * 5000).body) < 500


@pytest.mark.parametrize("gemini", [False, True])
def test_who_may_use_some_models_is_shown_no_others(gemini: bool):
    async def main(path: str) -> KeepingSink:
        sink = KeepingSink()
        CatalogProvider(NAMES, gemini=gemini).of(("meta-llama/*", "small")).send(path, b"", sink)
        await asyncio.wait_for(sink.done.wait(), 20)
        return sink

    listed: Any = asyncio.run(main("/models")).document
    names = [each["displayName"] for each in listed["models"]] if gemini else [each["id"] for each in listed["data"]]
    assert names == ["small", "meta-llama/x"]
    assert asyncio.run(main("/models/sim/echo")).status == 404


def test_a_listing_goes_where_the_whole_one_would():
    every = Deployment(provider="weighbridge", kind="catalog", model="", base_url="", credential=b"")
    (made,) = listing_of(RoutePlan(alias="", candidates=(every,)), ("a*",)).candidates
    assert isinstance(made, Listing)
    assert (made.kind, made.provider, made.only) == (every.kind, every.provider, ("a*",))


def test_an_empty_table_is_an_empty_list():
    async def main() -> None:
        sink = KeepingSink()
        CatalogProvider(()).send("/models", b"", sink)
        await asyncio.wait_for(sink.done.wait(), 20)
        assert orjson.loads(sink.body) == {"object": "list", "data": []}

    asyncio.run(main())


def test_a_cancelled_call_says_nothing():
    async def main() -> None:
        sink = KeepingSink()
        call = CatalogProvider(NAMES).send("/models", b"", sink)
        call.pause()
        call.cancel()
        call.resume()
        for _ in range(5):
            await asyncio.sleep(0)
        assert (sink.status, sink.ended) == (0, 0)

    asyncio.run(main())


def test_what_can_be_carried_is_told():
    document: Any = ask("/capabilities").document
    assert document["object"] == "capabilities"
    assert "openai_chat" in document["dialects"]


def test_a_client_of_triton_finds_a_server_and_its_models():
    assert ask("/v2").document["name"] == "weighbridge"
    assert ask("/v2/repository/index").document == [{"name": name, "state": "READY"} for name in NAMES]


def test_the_same_names_are_told_in_geminis_form():
    async def main() -> tuple[int, Any]:
        sink = KeepingSink()
        CatalogProvider(NAMES, gemini=True).send("/models?pageSize=2", b"", sink)
        await asyncio.wait_for(sink.done.wait(), 20)
        return sink.status, sink.document

    status, document = asyncio.run(main())
    assert status == 200
    assert [each["name"] for each in document["models"]] == ["models/small", "models/meta-llama/x"]
    assert document["nextPageToken"] == "2"


def test_a_model_that_no_server_has_is_described_by_us() -> None:
    def told(path: str) -> KeepingSink:
        async def main() -> KeepingSink:
            sink = KeepingSink()
            deployment = described_by("meta-llama/x")
            DescribedModel(deployment.model).send(path, b"", sink)
            await asyncio.wait_for(sink.done.wait(), 20)
            return sink

        return asyncio.run(main())

    sink = told("/v2/models/{model}")
    assert (sink.status, sink.document["name"]) == (200, "meta-llama/x")
    assert (told("/v2/models/{model}/ready").status, told("/v2/models/{model}/versions/2/ready").status) == (200, 400)
    assert isinstance(told("/v2/models/{model}/stats").error, NotAvailable)
