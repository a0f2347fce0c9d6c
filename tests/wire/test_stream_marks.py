"""Every dialect's reader can come back to a moment: what a guard keeps from the client leaves no trace in it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from gateway.core.exchange import Request
from gateway.core.ports import Dialect
from tests.support.streams import ToyScreen

WIRE = Path(__file__).parents[2] / "gateway" / "wire"
# Their answers are never streams.
WHOLE = {"openai_embeddings", "openai_models", "openai_realtime"}
NAMES = sorted({folder.name for folder in WIRE.iterdir() if (folder / "dialect.py").exists()} - WHOLE)
REQUEST = Request(dialect="", operation="chat", route="/", upstream_path="/", stream=True)


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_reader_forgets_what_came_after_a_moment(name: str, *, screened: bool) -> None:
    dialect: Dialect = import_module(f"gateway.wire.{name}").DIALECT
    reader = dialect.stream_reader(REQUEST, ToyScreen() if screened else None)
    before = reader.mark()
    reader.kept.append(b"data: {}\n\n")
    after = reader.mark()
    assert after != before
    reader.rewind(before)
    assert (reader.kept, reader.mark()) == ([], before)
