from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from aiohttp import web

from gateway.operator.openapi import OBJECT, Operation, Parameter, document, page


async def handle(_request: web.Request) -> web.StreamResponse:
    return web.Response()


OPERATIONS = (
    Operation(
        path="/things/{id}",
        name="get_thing",
        summary="One <thing>.",
        handle=handle,
        parameters=(Parameter(name="id", summary="Which."), Parameter(name="deep", summary="How deep.")),
        answer=OBJECT,
    ),
    Operation(method="POST", path="/things/{id}", name="make", summary="Make.", handle=handle, body=OBJECT, status=201),
    Operation(path="/feed", name="feed", summary="Feed.", handle=handle, media=("text/event-stream",)),
    Operation(path="/soon", name="soon", summary="Soon.", handle=handle, available=False),
)


def described(method: str, path: str) -> dict[str, Any]:
    return document(OPERATIONS)["paths"][path][method]


def test_methods_of_one_path_stand_together() -> None:
    assert set(document(OPERATIONS)["paths"]["/things/{id}"]) == {"get", "post"}


def test_parameters_are_where_they_belong() -> None:
    placed = {one["name"]: (one["in"], one["required"]) for one in described("get", "/things/{id}")["parameters"]}
    assert placed == {"id": ("path", True), "deep": ("query", False)}


def test_answers_have_their_status_type_and_an_error() -> None:
    assert set(described("post", "/things/{id}")["responses"]) == {"201", "default"}
    assert set(described("get", "/feed")["responses"]["200"]["content"]) == {"text/event-stream"}
    assert set(described("get", "/soon")["responses"]) == {"501"}


def test_every_reference_leads_somewhere() -> None:
    whole = document(OPERATIONS)
    for reference in re.findall(r'"\$ref":"#/([^"]+)"', orjson.dumps(whole).decode()):
        found: Any = whole
        for step in reference.split("/"):
            found = found[step]
        assert found


@pytest.mark.parametrize("part", ["openapi", "info", "paths", "components"])
def test_the_documents_frame_is_there(part: str) -> None:
    assert document(())[part] is not None
    assert document(())["openapi"].startswith("3.1")


def test_the_page_lists_everything_escaped_and_links_what_can_be_opened() -> None:
    html = page(OPERATIONS)
    assert "One &lt;thing&gt;." in html
    assert '<a href="/feed">/feed</a>' in html
    assert "<code>/things/{id}</code>" in html
    assert "Soon. (not yet available)" in html
    assert "{operations}" not in html
