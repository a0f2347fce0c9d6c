"""Errors, before a stream and in the middle of it, as Google's official client raises them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from google.genai import errors, types

from tests.support.gemini_streams import answer, answer_of, candidate, event, failure, interrupted, said, stream
from tests.support.provider import Asked, Step, whole

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        (400, "INVALID_ARGUMENT", errors.ClientError),
        (401, "UNAUTHENTICATED", errors.ClientError),
        (403, "PERMISSION_DENIED", errors.ClientError),
        (404, "NOT_FOUND", errors.ClientError),
        (429, "RESOURCE_EXHAUSTED", errors.ClientError),
        (500, "INTERNAL", errors.ServerError),
        (503, "UNAVAILABLE", errors.ServerError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_errors_of_the_provider_arrive_as_they_are(client, provider, streamed, code, status, raised) -> None:
    document = failure(code, status, "Its words.", {"@type": "type.googleapis.com/google.rpc.Help"})
    head = b"content-type: application/json\r\nretry-after: 7\r\n"
    provider.script = [whole(orjson.dumps(document), f"{code} X", head)]
    models = client.models
    ask = (lambda **what: list(models.generate_content_stream(**what))) if streamed else models.generate_content
    with pytest.raises(raised) as caught:
        ask(model="flash", contents="?")
    assert (caught.value.code, caught.value.status, caught.value.message) == (code, status, "Its words.")
    assert caught.value.details == document
    assert caught.value.response.headers["retry-after"] == "7"


def test_the_client_tries_again_when_it_should(connect, provider) -> None:
    tries: list[Asked] = []

    def script(asked: Asked) -> list[Step]:
        tries.append(asked)
        return answer(failure(503, "UNAVAILABLE"), "503 X") if len(tries) < 3 else answer(answer_of({"text": "x"}))

    provider.script = script
    retries = types.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.02)
    assert connect(retry_options=retries).models.generate_content(model="flash", contents="?").text == "x"
    assert len(tries) == 3


def test_an_error_in_a_stream_is_an_answer_of_its_own_before_the_first_word_and_an_event_after_it(
    client, provider
) -> None:
    bad = b"data: " + orjson.dumps(failure(503, "UNAVAILABLE", "Overloaded.")) + b"\r\n\r\n"
    provider.script = stream(bad)
    with pytest.raises(errors.ServerError) as caught:
        list(client.models.generate_content_stream(model="flash", contents="?"))
    assert (caught.value.code, caught.value.response.status_code) == (503, 503)
    go_on = asyncio.Event()
    provider.script = interrupted(go_on, event(candidate({"text": "a. \n\n"})), bad)
    chunks = client.models.generate_content_stream(model="flash", contents="?")
    assert next(chunks).text
    provider.signal(go_on)
    with pytest.raises(errors.ServerError) as caught:
        list(chunks)
    assert (caught.value.code, caught.value.message) == (503, "Overloaded.")


def test_a_stream_that_is_cut_is_an_error(client, provider) -> None:
    go_on = asyncio.Event()
    provider.script = interrupted(go_on, event(candidate({"text": "a. \n\n"})))
    chunks = client.models.generate_content_stream(model="flash", contents="?")
    assert next(chunks).text
    provider.signal(go_on)
    with pytest.raises(errors.ServerError) as caught:
        list(chunks)
    assert caught.value.code == 502


def test_our_own_errors_are_googles_too(connect, provider) -> None:
    before = len(provider.asked)
    with pytest.raises(errors.ClientError) as caught:
        connect("wb-wrong").models.generate_content(model="flash", contents="?")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    with pytest.raises(errors.ClientError) as caught:
        connect().models.generate_content(model="nobody", contents="?")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")
    said: Any = caught.value.details
    assert said["error"]["details"][0]["reason"] == "MODEL_NOT_FOUND"
    assert len(provider.asked) == before


def test_what_a_rule_forbids_is_an_error_or_the_end_of_a_stream(client, provider) -> None:
    before = len(provider.asked)
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="flash", contents="about project osprey")
    assert (caught.value.code, caught.value.status) == (400, "INVALID_ARGUMENT")
    assert "'osprey'" in (caught.value.message or "")
    assert len(provider.asked) == before
    go_on = asyncio.Event()
    provider.script = interrupted(go_on, *said("well. \n\n", "it is project osprey. ", "more"))
    chunks = client.models.generate_content_stream(model="flash", contents="?")
    assert next(chunks).text
    provider.signal(go_on)
    chunks = list(chunks)
    assert "osprey" not in "".join(chunk.text or "" for chunk in chunks)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.SAFETY
