"""One exchange through Envoy, step by step, with a pipeline that is a script: order, bounds, ends and cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest

from gateway.clients.origin import Origin
from gateway.core.errors import Bug, Draining, GatewayError
from gateway.core.exchange import Headers, Incoming, Timeouts
from gateway.core.ports import Reply
from gateway.core.signal import Signal
from gateway.listener.passing import HIGH_BYTES, Lane, Passing
from tests.support import ext_proc_messages as envoy
from tests.support.through_envoy import BUFFERED, DUPLEX, PIECEWISE, Through

ORIGIN = Origin.parse("http://p.example")
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\nhost: p.example\r\n"
JSON = b"content-type: application/json\r\n"


class Relay:
    """A pipeline that passes everything on, and remembers what it saw.

    Attributes:
        shown: The status that the client is told, where it is another.
    """

    def __init__(self) -> None:
        self.incoming: Incoming | None = None
        self.reply: Reply | None = None
        self.status = self.shown = 0
        self.data = b""
        self.error: GatewayError | None = None
        self.over = Signal()
        self.cancelled = False
        self.timeouts = Timeouts()

    async def serve(self, incoming: Incoming, reply: Reply) -> None:
        self.incoming, self.reply = incoming, reply
        if incoming.fault is not None:
            reply.send(incoming.fault.status, JSON, b"{}")
            return
        assert isinstance(reply, Passing)
        wire = b"%bcontent-length: %d\r\n\r\n%b" % (HEAD, len(incoming.body), incoming.body)
        Lane(reply).send(ORIGIN, wire, self, self.timeouts)
        try:
            if not self.over.fired:
                await self.over
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            reply.send(self.error.status, JSON, b"{}")

    def on_head(self, status: int, headers: Headers) -> None:
        self.status = status
        assert self.reply is not None
        self.reply.start(
            self.shown or status, b"".join(b"%b: %b\r\n" % each for each in headers.items()) + b"x-mine: 1\r\n"
        )

    def on_data(self, data: bytes) -> None:
        self.data += data
        assert self.reply is not None
        self.reply.write(data)

    def on_end(self) -> None:
        assert self.reply is not None
        self.reply.finish(b"!")
        self.over.fire(None)

    def on_whole(self, status: int, headers: Headers, block: bytes, body: bytes) -> None:
        raise AssertionError

    def on_fail(self, error: GatewayError) -> None:
        self.error = error
        self.over.fire(None)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def relayed(modes: tuple[int, int, bool] = DUPLEX, max_body_bytes: int = 1 << 20) -> tuple[Through, Relay]:
    relay = Relay()
    return Through(relay.serve, modes, max_body_bytes=max_body_bytes), relay


def head(**more: str) -> dict[str, str]:
    return {":method": "POST", ":path": "/v1/chat/completions", ":authority": "a", **more}


def test_nothing_goes_on_before_the_request_is_whole() -> None:
    async def test() -> None:
        call, relay = relayed()
        call.tell(envoy.head("request_headers", head(), modes=DUPLEX))
        call.tell(envoy.body("request_body", b"one ", last=False))
        assert (call.kinds, relay.incoming) == ([], None)
        call.tell(envoy.body("request_body", b"two", last=True))
        assert call.kinds == ["request_headers", "request_body"]
        assert call.sent("request_body") == b"one two"
        assert relay.incoming is not None
        assert (relay.incoming.path, relay.incoming.body, relay.incoming.peer) == (
            "/v1/chat/completions", b"one two", "10.0.0.1:9",
        )  # fmt: skip
        assert relay.incoming.headers == {b"host": b"a"}

    run(test)


def test_trailers_end_a_request_and_do_not_go_on() -> None:
    async def test() -> None:
        call, _ = relayed()
        call.tell(envoy.head("request_headers", head(), modes=DUPLEX), envoy.body("request_body", b"x", last=False))
        call.tell(envoy.trailers("request_trailers", {"t": "1"}))
        assert call.kinds == ["request_headers", "request_body", "request_trailers"]
        assert not call.said[1].request_body.response.body_mutation.streamed_response.end_of_stream
        assert list(call.said[2].request_trailers.header_mutation.remove_headers) == ["t"]
        gathered, _ = relayed(BUFFERED)
        gathered.tell(envoy.head("request_headers", head(), modes=BUFFERED))
        gathered.tell(envoy.body("request_body", b"x", last=False), envoy.trailers("request_trailers", {"t": "1"}))
        assert gathered.kinds == ["request_headers", "request_body", "request_trailers"]

    run(test)


def test_a_request_without_a_body_is_its_head() -> None:
    async def test() -> None:
        for modes in (DUPLEX, BUFFERED, PIECEWISE):
            call, relay = relayed(modes)
            call.tell(envoy.head("request_headers", head() | {":method": "GET"}, last=True, modes=modes))
            assert call.kinds == ["request_headers"]
            assert relay.incoming is not None
            assert relay.incoming.method == "GET"

    run(test)


@pytest.mark.parametrize("modes", [DUPLEX, BUFFERED, PIECEWISE])
def test_an_answer_without_a_body_is_its_head(modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        call, relay = relayed(modes)
        call.ask({})
        call.tell(envoy.head("response_headers", {":status": "204"}, last=True))
        assert relay.status == 204
        assert call.kinds[-1] == "response_headers"
        assert envoy.put(call.said[-1].response_headers.response.header_mutation) == {"x-mine": "1"}

    run(test)


@pytest.mark.parametrize("modes", [DUPLEX, BUFFERED, PIECEWISE])
def test_trailers_end_an_answer_and_do_not_go_on(modes: tuple[int, int, bool]) -> None:
    async def test() -> None:
        call, relay = relayed(modes)
        call.ask({})
        call.answer(b"abc", last=False)
        call.tell(envoy.trailers("response_trailers", {"t": "1"}))
        assert relay.data == b"abc"
        if modes is PIECEWISE:
            # There is no piece left in whose place the tail could go.
            assert call.kinds[-1] == "immediate_response"
        else:
            assert call.sent("response_body") == b"abc!"
            assert list(call.said[-1].response_trailers.header_mutation.remove_headers) == ["t"]

    run(test)


def test_every_piece_is_answered_by_one() -> None:
    async def test() -> None:
        call, _ = relayed(PIECEWISE)
        call.ask({})
        call.answer(b"a", last=False)
        call.tell(envoy.body("response_body", b"b", last=False), envoy.body("response_body", b"", last=True))
        assert call.kinds[-4:] == ["response_headers", "response_body", "response_body", "response_body"]
        assert call.sent("response_body") == b"ab!"

    run(test)


def test_what_is_too_large_is_refused_before_it_is_there() -> None:
    async def test() -> None:
        told, _ = relayed(max_body_bytes=10)
        told.tell(envoy.head("request_headers", head(**{"content-length": "11"}), modes=DUPLEX))
        came, _ = relayed(max_body_bytes=10)
        came.tell(envoy.head("request_headers", head(), modes=DUPLEX))
        came.tell(envoy.body("request_body", b"x" * 11, last=False))
        # What comes behind it is no concern of anybody's.
        came.tell(envoy.body("request_body", b"x" * 11, last=True))
        for call in (told, came):
            assert call.kinds == ["immediate_response"]
            assert call.said[0].immediate_response.status.code == 413

    run(test)


@pytest.mark.parametrize(
    "modes",
    [(envoy.NONE, envoy.FULL_DUPLEX, False), (envoy.STREAMED, envoy.FULL_DUPLEX, True),
     (envoy.FULL_DUPLEX, envoy.NONE, False), (envoy.FULL_DUPLEX, envoy.STREAMED, False), (3, 3, True), None],
)  # fmt: skip
def test_a_filter_that_shows_too_little_is_refused(modes: tuple[int, int, bool] | None) -> None:
    async def test() -> None:
        call, relay = relayed()
        call.tell(envoy.head("request_headers", head(), modes=modes))
        assert call.said[0].immediate_response.status.code == 500
        assert relay.incoming is not None
        assert "request_body_mode" in str(relay.incoming.fault)

    run(test)


def test_heads_that_could_be_read_in_two_ways_are_refused() -> None:
    async def test() -> None:
        request = envoy.CLASSES["ProcessingRequest"].FromString(envoy.head("request_headers", head(), modes=DUPLEX))
        lines = request.request_headers.headers.headers
        lines.add(key="authorization", raw_value=b"a")
        lines.add(key="authorization", raw_value=b"b")
        twice, _ = relayed()
        twice.tell(request.SerializeToString())
        many, _ = relayed()
        many.tell(envoy.head("request_headers", head() | {f"x-{n}": "1" for n in range(200)}, modes=DUPLEX))
        broken, _ = relayed()
        broken.tell(envoy.head("request_headers", head(x="a\r\nb: c"), modes=DUPLEX))
        codes = [each.said[0].immediate_response.status.code for each in (twice, many, broken)]
        assert codes == [400, 431, 400]

    run(test)


def test_an_answer_whose_head_is_hidden_is_none() -> None:
    async def test() -> None:
        call, relay = relayed()
        call.ask({})
        call.tell(envoy.body("response_body", b"x", last=True))
        assert relay.error is not None
        assert call.said[-1].immediate_response.status.code == 500

    run(test)


def test_whoever_leaves_ends_the_call() -> None:
    async def test() -> None:
        for tell in (0, 1):
            call, relay = relayed()
            call.ask({})
            if tell:
                call.answer(b"abc", last=False)
            call.passing.left()
            assert relay.cancelled
            call.answer(b"more")
            assert (call.passing.gone, relay.data) == (True, b"abc" * tell)
        early, relay = relayed()
        early.passing.left()
        assert relay.incoming is None

    run(test)


def test_a_cut_answer_does_not_end_as_if_it_were_whole() -> None:
    async def test() -> None:
        call, relay = relayed()
        call.ask({})
        call.answer(b"abc", last=False)
        assert relay.reply is not None
        relay.reply.abort()
        assert call.kinds[-1] == "immediate_response"
        relay.reply.abort()
        assert call.kinds.count("immediate_response") == 1

    run(test)


def test_envoy_waits_while_nobody_takes_what_it_brings() -> None:
    async def test() -> None:
        call, relay = relayed()
        call.ask({})
        passing = call.passing
        passing.on_flow(passing.pause, passing.resume)
        call.answer(b"x" * (HIGH_BYTES + 1), last=False)
        waiting = asyncio.ensure_future(passing.readable())
        await asyncio.sleep(0)
        assert not waiting.done()
        # Envoy takes what there is.
        assert call.said
        await waiting
        passing.pause()
        passing.cancel()
        await passing.readable()
        call.tell(envoy.body("response_body", b"late", last=True))
        assert not relay.data.endswith(b"late")

    run(test)


def test_a_provider_may_take_so_long_and_no_longer() -> None:
    async def test() -> None:
        call, relay = relayed()
        relay.timeouts = Timeouts(first_token_s=0.005)
        call.ask({})
        await call.over()
        assert relay.error is not None
        assert call.said[-1].immediate_response.status.code == 504

    run(test)


def test_other_statuses_are_answered_at_once_and_drains_too() -> None:
    async def test() -> None:
        async def serve(incoming: Incoming, reply: Reply) -> None:
            reply.send(Draining.status, JSON + b"retry-after: 1\r\n", orjson.dumps({"path": incoming.path}))

        call = Through(serve)
        call.ask({})
        told = call.said[0].immediate_response
        assert (told.status.code, envoy.put(told.headers)["retry-after"]) == (503, "1")
        assert call.committed == 1
        # It is over: nothing else is said.
        call.answer(b"x")
        assert call.kinds == ["immediate_response"]

    run(test)


def test_a_status_of_its_own_goes_with_a_stream() -> None:
    async def test() -> None:
        call, relay = relayed()
        relay.shown = 418
        call.ask({})
        call.answer(b"x")
        changes = next(each for each in call.said if each.HasField("response_headers")).response_headers.response
        assert envoy.put(changes.header_mutation)[":status"] == "418"

    run(test)


def test_there_are_no_sessions() -> None:
    async def test() -> None:
        call, _ = relayed()
        with pytest.raises(Bug):
            Lane(call.passing).context()

    run(test)
