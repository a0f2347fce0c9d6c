"""Every reader of a plain text stream goes on after a cut, wherever that was."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError
from gateway.core.resumable import Resumable
from gateway.wire import select
from tests.support.cut_streams import NATIVE, asking, pieces, read, text_of
from tests.support.streams import OpenScreen

TEXTS = ["Once upon ", "a time ", "there was."]


@pytest.mark.parametrize("screened", [False, True])
@pytest.mark.parametrize("dialect", NATIVE)
def test_a_reader_goes_on_after_a_cut_in_an_event(dialect: str, *, screened: bool):
    known, request = select.select(asking(dialect))
    data = b"".join(pieces(dialect, TEXTS))
    begun = b"".join(pieces(dialect, TEXTS[:2], whole=False))
    for lost in (b"", data[len(begun) : len(begun) + 11]):
        reader = known.stream_reader(request, OpenScreen() if screened else None)
        assert isinstance(reader, Resumable)
        out = reader.feed(begun + lost)
        reader.resume(begun)
        out += reader.feed(data[len(begun) :])
        out += reader.finish()
        assert text_of(read(dialect, out)) == "".join(TEXTS)
        assert known.answer_text(None, reader.kept) == "".join(TEXTS)


@pytest.mark.parametrize("dialect", NATIVE)
def test_a_reader_goes_on_after_what_is_no_event(dialect: str):
    known, request = select.select(asking(dialect))
    data = b"".join(pieces(dialect, TEXTS))
    begun = b"".join(pieces(dialect, TEXTS[:2], whole=False))
    reader = known.stream_reader(request, None)
    assert isinstance(reader, Resumable)
    out = reader.feed(begun)
    with pytest.raises(GatewayError):
        reader.feed(b"data: {oops\n\n" if dialect != "bedrock_converse" else b"\0\0\0\x20" * 8)
    reader.resume(begun)
    out += reader.feed(data[len(begun) :]) + reader.finish()
    assert text_of(read(dialect, out)) == "".join(TEXTS)
