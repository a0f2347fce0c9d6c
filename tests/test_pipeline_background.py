"""An answer that is made in the background: unknown when it is asked for, weighed when it is fetched, once."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from gateway.core.ports import AnswerSink
from tests.support.incoming import incoming, json_incoming
from tests.support.rooms import JSON, Rooms

USAGE = {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14}


def test_a_background_answer_is_weighed_once() -> None:
    said: list[dict[str, Any]] = []

    def script(sink: AnswerSink) -> None:
        sink.on_head(200, dict(JSON))
        sink.on_data(orjson.dumps({"id": "resp_1", "object": "response", "model": "m-1", "output": [], **said.pop(0)}))
        sink.on_end()

    async def main() -> None:
        rooms = Rooms(script)
        asked = json_incoming("/v1/responses", {"model": "m", "input": "hello", "background": True})
        said.append({"status": "queued", "usage": None})
        await rooms.serve(asked)
        for status, usage in (("in_progress", None), ("completed", USAGE), ("completed", USAGE)):
            said.append({"status": status, "usage": usage})
            await rooms.serve(incoming("GET", "/providers/p/responses/resp_1"))
        created, running, fetched, again = rooms.records
        assert (created.usage_source, created.input_tokens, created.cost_nanousd) == ("missing", None, None)
        assert (running.input_tokens, running.output_tokens) == (0, 0)
        assert (fetched.input_tokens, fetched.output_tokens) == (10, 4)
        assert fetched.cost_nanousd == 10 * 1000 + 4 * 2000
        assert (again.input_tokens, again.cost_nanousd) == (0, 0)

    asyncio.run(main())
