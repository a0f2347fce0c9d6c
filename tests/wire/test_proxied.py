from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.call import Call
from gateway.wire import openai_chat
from gateway.wire.proxied import is_repeated, last_word
from tests.support.incoming import incoming
from tests.support.sinks import ListReply

COUNT = b"x-envoy-attempt-count"


@pytest.mark.parametrize("value", [b"2", b"3", b"17", b"002"])
def test_a_later_try_is_one(value: bytes) -> None:
    assert is_repeated({COUNT: value})


@pytest.mark.parametrize("value", [b"", b"0", b"1", b"-2", b"2.0", b"two", b"1, 2", b"9" * 10, "²".encode("latin-1")])
def test_anything_else_is_a_first_one(value: bytes) -> None:
    assert not is_repeated({COUNT: value})
    assert not is_repeated({})


def call_with(*, counted: bool, made: int | None) -> Call:
    asked = incoming(headers={COUNT: b"1"} if counted else {})
    call = Call(asked, ListReply(), None, openai_chat.DIALECT)
    trip: Any = None if made is None else SimpleNamespace(made=made)
    call.trip = trip
    return call


def test_a_proxy_is_kept_from_another_try_where_we_made_ours() -> None:
    assert last_word(call_with(counted=True, made=3)) == b"x-envoy-ratelimited: true\r\n"


@pytest.mark.parametrize(("counted", "made"), [(False, 3), (True, 0), (True, None), (False, None)])
def test_else_it_is_told_nothing(counted: bool, made: int | None) -> None:
    assert last_word(call_with(counted=counted, made=made)) == b""
