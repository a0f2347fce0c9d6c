from __future__ import annotations

from typing import Any

import pytest

from gateway.core.images import base64_of, find_images

URL = "data:image/png;base64,AAAA"
CHAT = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}]}]}
CHAT_TOOL = {"messages": [{"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": URL}]}]}
RESPONSES = {
    "input": [
        {"role": "user", "content": [{"type": "input_image", "image_url": URL}]},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "image_url": URL}]},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": URL}},
    ]
}
SOURCE = {"type": "base64", "media_type": "image/webp", "data": "BBBB"}
ANTHROPIC = {
    "messages": [
        {"role": "user", "content": [{"type": "image", "source": SOURCE}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image", "source": SOURCE}]}]},
    ]
}
BLOB = {"mimeType": "image/jpeg", "data": "CCCC"}
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"inlineData": BLOB}, {"inline_data": {"mime_type": "image/gif", "data": "D"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "parts": [{"inlineData": BLOB}]}}]},
        {"role": "model", "parts": [{"inlineData": BLOB}]},
    ]
}


@pytest.mark.parametrize(
    ("document", "found"),
    [
        (CHAT, [("user", URL, ("messages", 0, "content", 0, "image_url", "url"))]),
        (CHAT_TOOL, [("tool", URL, ("messages", 0, "content", 0, "image_url"))]),
        (
            RESPONSES,
            [
                ("user", URL, ("input", 0, "content", 0, "image_url")),
                ("tool", URL, ("input", 1, "output", 0, "image_url")),
                ("tool", URL, ("input", 2, "output", "image_url")),
            ],
        ),
        (
            ANTHROPIC,
            [
                ("user", "BBBB", ("messages", 0, "content", 0, "source", "data")),
                ("tool", "BBBB", ("messages", 1, "content", 0, "content", 0, "source", "data")),
            ],
        ),
        (
            GEMINI,
            [
                ("user", "CCCC", ("contents", 0, "parts", 0, "inlineData", "data")),
                ("user", "D", ("contents", 0, "parts", 1, "inline_data", "data")),
                ("tool", "CCCC", ("contents", 1, "parts", 0, "functionResponse", "parts", 0, "inlineData", "data")),
                ("assistant", "CCCC", ("contents", 2, "parts", 0, "inlineData", "data")),
            ],
        ),
        ({"messages": [{"role": "user", "content": "data:text/plain;base64,AAAA and data:image/png"}]}, []),
        ({"messages": [{"content": [{"image_url": {"url": "https://pictures.example/a.png"}}]}]}, []),
        ({"a": {"mimeType": "audio/wav", "data": "E"}, "b": {"media_type": "image/png", "data": 1}}, []),
    ],
)
def test_images_are_found_wherever_a_dialect_puts_them(document: Any, found: list[Any]) -> None:
    assert [(each.role, each.text, each.path) for each in find_images(document)] == found
    assert {each.kind for each in find_images(document)} <= {"image"}


def test_a_document_of_any_depth() -> None:
    document: Any = URL
    for _ in range(1_000):
        document = [document]
    assert [each.text for each in find_images(document)] == [URL]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (URL, "AAAA"),
        ("DATA:IMAGE/PNG;name=a.png;BASE64,AAAA", "AAAA"),
        ("data:image/svg+xml,%3Csvg/%3E", ""),
        ("data:image/png;base64", ""),
        ("BBBB", "BBBB"),
    ],
)
def test_base64_of_an_image(text: str, data: str) -> None:
    assert base64_of(text) == data
