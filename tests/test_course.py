"""What is remembered of callers and models: the same answer as without, and nothing beyond a reload."""

from __future__ import annotations

import asyncio

import msgspec
import orjson
import pytest

from gateway.core.call import Call
from gateway.core.caller import CallerPending
from gateway.core.errors import AuthenticationFailed
from gateway.core.exchange import Headers, Incoming, Principal, Request
from gateway.core.span_ids import try_span_of
from gateway.core.stored import Seals
from gateway.course import EACH_CALLER, MAX_COURSES, MOST_COURSES, Known
from gateway.routing.table import RouteEntry, Router
from gateway.wire import openai_chat
from tests.support.incoming import incoming, json_incoming
from tests.support.rooms import PROVIDER, USAGE, Rooms, answer, chat, rule, run, whole
from tests.support.sinks import ListReply


class Keys:
    """Two callers, told apart by their credential; each may name one model."""

    def __init__(self) -> None:
        self._known = {
            key: Principal(key_id=key.decode(), team=f"team-{key.decode()}", models=("m",)) for key in (b"a", b"b")
        }

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        found = self._known.get(headers.get(b"authorization", b""))
        if found is None:
            raise AuthenticationFailed("no")
        return found


class Asks(Keys):
    """Has to ask elsewhere who calls, once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.waiting = asyncio.Event()

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        if not self.asked.is_set():
            raise CallerPending(self._wait)
        return super().identify(headers, peer)

    async def _wait(self) -> None:
        self.waiting.set()
        await self.asked.wait()


class Watched(Keys):
    """Looks at a caller's credential in each call."""

    calls = 0

    def identify(self, headers: Headers, peer: str = "") -> Principal:
        self.calls += 1
        return msgspec.structs.replace(super().identify(headers, peer), lasting=False)


def with_courses(rooms: Rooms, **changes: object) -> Rooms:
    """The same rooms after a reload."""
    courses = msgspec.structs.replace(rooms.pipeline.courses, known=Known(), **changes)
    rooms.pipeline = msgspec.structs.replace(rooms.pipeline, courses=courses)
    return rooms


def same_head(first: Incoming, model: str) -> Incoming:
    """Another request with an equal head."""
    body = orjson.dumps({**orjson.loads(first.body), "model": model})
    return Incoming(first.method, first.path, first.query, first.headers, body, "", first.received_ns, None, first.memo)


def test_two_models_on_one_connection_go_their_own_ways():
    async def test() -> None:
        other = msgspec.structs.replace(PROVIDER, provider="q", model="renamed")
        table = (RouteEntry(alias="m", deployment=PROVIDER), RouteEntry(alias="n", deployment=other))
        rooms = with_courses(Rooms(whole(answer(usage=USAGE))), router=Router(table, {"p": PROVIDER, "q": other}))
        first = chat()
        for model in ("m", "n", "m", "n"):
            await rooms.serve(same_head(first, model))
        seen = [(record.provider, record.model_requested, record.deployment) for record in rooms.records]
        assert seen == [("p", "m", "p/m"), ("q", "n", "q/renamed")] * 2
        assert [orjson.loads(wire.sent.partition(b"\r\n\r\n")[2])["model"] for wire in rooms.wires] == [
            "m",
            "renamed",
        ] * 2

    run(test)


def test_a_reload_changes_the_next_call_of_a_connection():
    async def test() -> None:
        rooms = Rooms(whole(answer(usage=USAGE)))
        first = chat("osprey")
        await rooms.serve(same_head(first, "m"))
        strict = Rooms(None, rule("osprey", "block", "request")).pipeline.courses.guards
        reply = await with_courses(rooms, guards=strict).serve(same_head(first, "m"))
        assert (rooms.records[0].verdict, rooms.records[1].verdict, reply.status) == ("allow", "block", 400)
        moved = Router((RouteEntry(alias="n", deployment=PROVIDER),))
        assert (await with_courses(rooms, router=moved).serve(same_head(first, "m"))).status == 404
        assert (await with_courses(rooms, identity=Keys()).serve(same_head(first, "m"))).status == 401

    run(test)


def test_another_key_is_another_caller():
    async def test() -> None:
        rooms = with_courses(Rooms(whole(answer(usage=USAGE))), identity=Keys())
        for key in (b"a", b"b", b"a"):
            asked = chat()
            asked.headers = {**asked.headers, b"authorization": key}
            assert (await rooms.serve(asked)).status == 200
        assert [(record.key_id, record.team) for record in rooms.records] == [
            ("a", "team-a"), ("b", "team-b"), ("a", "team-a"),
        ]  # fmt: skip
        asked = same_head(chat(), "forbidden")
        asked.headers = {**asked.headers, b"authorization": b"a"}
        for _ in range(2):
            assert (await rooms.serve(asked)).status == 403

    run(test)


@pytest.mark.parametrize("usage", [USAGE, None])
def test_what_a_request_says_of_itself_is_on_its_own_record_alone(usage):
    async def test() -> None:
        rooms = Rooms(whole(answer(usage=usage)))
        trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        labels: tuple[Headers, ...] = (
            {},
            {b"x-weighbridge-tags": b"a=1", b"x-weighbridge-session": b"s1"},
            {b"x-weighbridge-tags": b"a=2", b"traceparent": f"00-{trace}-{span}-01".encode()},
            {},
        )
        for each in labels:
            asked = chat()
            asked.headers = {**asked.headers, **each}
            # Twice over one head: remembered is what was read.
            await rooms.serve(asked)
            await rooms.serve(same_head(asked, "m"))
        seen = [(record.tags, record.session_id, record.trace_id, record.span_id) for record in rooms.records]
        once = [({}, "", "", ""), ({"a": "1"}, "s1", "", ""), ({"a": "2"}, "", trace, span), ({}, "", "", "")]
        assert seen == [each for each in once for _ in range(2)]

    run(test)


def test_a_callers_trace_goes_on_with_our_span_where_somebody_is_told_of_it():
    async def test() -> None:
        trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        given = {b"traceparent": f"00-{trace}-{span}-01".encode(), b"tracestate": b"v=1"}
        for traced in (False, True):
            rooms = with_courses(Rooms(whole(answer())), traced=traced)
            asked = chat()
            asked.headers = {**asked.headers, **given}
            await rooms.serve(asked)
            # The same head again: the span is another one.
            await rooms.serve(same_head(asked, "m"))
            await rooms.serve(chat())
            sent = [next((line for line in each.sent.split(b"\r\n") if line.startswith(b"traceparent")), b"")
                    for each in rooms.wires]  # fmt: skip
            ours = [try_span_of(record.id, 1) if traced else span for record in rooms.records[:2]]
            assert sent == [*(f"traceparent: 00-{trace}-{each}-01".encode() for each in ours), b""]
            # Of the caller, for whoever tells of the call.
            told = {(each.trace_id, each.span_id, each.trace_flags, each.trace_state) for each in rooms.records[:2]}
            assert told == {(trace, span, 1, "v=1")}
            assert asked.headers[b"traceparent"] == given[b"traceparent"]

    run(test)


def test_names_that_clients_invent_do_not_fill_the_memory():
    async def test() -> None:
        rooms = with_courses(Rooms(None), router=Router((RouteEntry(alias="*", deployment=PROVIDER),)))
        courses = rooms.pipeline.courses
        request = Request(dialect="openai_chat", operation="chat", route="/v1/chat/completions", upstream_path="/x")
        for model in (*(f"m-{number}" for number in range(MAX_COURSES + 10)), "m" * 5000):
            call = Call(chat(), ListReply(), None, openai_chat.DIALECT)
            found = courses.find(call, msgspec.structs.replace(request, model=model))
            assert found.template.model_requested == model[:256]
            assert len(courses.known) <= MAX_COURSES + EACH_CALLER

    run(test)


def test_ten_thousand_keys_are_each_looked_at_once():
    class Many:
        def __init__(self) -> None:
            self.callers = [Principal(key_id=f"k{number}", team="t") for number in range(10_000)]

        def identify(self, headers: Headers, peer: str = "") -> Principal:
            return self.callers[int(headers[b"authorization"])]

    async def test() -> None:
        many = Many()
        courses = with_courses(Rooms(None), identity=many).pipeline.courses
        request = Request(
            dialect="openai_chat", operation="chat", route="/v1/chat/completions", upstream_path="/x", model="m"
        )

        def found() -> list[int]:
            seen: list[int] = []
            for number in range(len(many.callers)):
                asked = incoming(headers={b"authorization": b"%d" % number})
                asked.memo = {}
                seen.append(id(courses.find(Call(asked, ListReply(), None, openai_chat.DIALECT), request)))
            return seen

        once = found()
        assert len(set(once)) == len(courses.known) == 10_000
        assert found() == once

    run(test)


def test_callers_make_room_and_what_they_leave_is_free_again():
    async def test() -> None:
        rooms = Rooms(None)
        courses = rooms.pipeline.courses
        request = Request(dialect="openai_chat", operation="chat", route="/r", upstream_path="/x", model="m")
        some = courses.find(Call(chat(), ListReply(), None, openai_chat.DIALECT), request)
        known = Known()
        for caller in range(MOST_COURSES + 100):
            known.keep((caller, "", "", "", "", ""), some)
        assert len(known) == MOST_COURSES
        # One caller with names without end drives the others out, and the room that they made goes with them.
        for name in range(MOST_COURSES + 100):
            known.keep((-1, "", str(name), "", "", ""), some)
        assert len(known) == MAX_COURSES + EACH_CALLER

    run(test)


# --- answers that providers keep

SEALS = Seals(b"k" * 32)
OTHER = msgspec.structs.replace(PROVIDER, provider="q", base_url="http://q.example/v1")
KEPT = b'{"id":"resp_1","object":"response","model":"m-1","status":"completed","output":[],"usage":null}'


def keeping(said: bytes = KEPT) -> Rooms:
    """Two providers and two callers of one gateway."""
    rooms = Rooms(whole(said))
    table = (RouteEntry(alias="m", deployment=PROVIDER), RouteEntry(alias="m", deployment=OTHER))
    router = Router(table, {"p": PROVIDER, "q": OTHER})
    return with_courses(rooms, router=router, identity=Keys(), seals=SEALS)


def by(key: bytes, asked: Incoming) -> Incoming:
    asked.headers = {**asked.headers, b"authorization": key}
    return asked


def name_of(key: str, provider: str = "q") -> str:
    return SEALS.seal("resp_1", provider, "m", Principal(key_id=key, team=f"team-{key}"))


def sent(rooms: Rooms) -> tuple[bytes, bytes]:
    """The target and the host of the last request that reached a provider."""
    head = rooms.wires[-1].sent.partition(b"\r\n\r\n")[0]
    host = next(line for line in head.split(b"\r\n") if line.startswith(b"host: "))
    return head.split(b" ")[1], host.removeprefix(b"host: ")


def test_an_answer_that_a_provider_keeps_is_asked_for_where_it_is():
    async def test() -> None:
        rooms = keeping()
        made = await rooms.serve(by(b"a", json_incoming("/v1/responses", {"model": "m", "input": "hi"})))
        assert orjson.loads(made.body)["id"] == name_of("a", "p")
        for method, below in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
            got = await rooms.serve(by(b"a", incoming(method, f"/v1/responses/{name_of('a')}{below}")))
            assert (got.status, orjson.loads(got.body)["id"]) == (200, name_of("a"))
            assert sent(rooms) == (b"/v1/responses/resp_1" + below.encode(), b"q.example")
            assert (rooms.records[-1].alias, rooms.records[-1].provider, rooms.records[-1].model_requested) == (
                "m",
                "q",
                "m",
            )

    run(test)


def test_an_answer_goes_on_where_the_one_before_is_kept():
    async def test() -> None:
        rooms = keeping(KEPT.replace(b'"usage"', b'"previous_response_id":"resp_1","usage"'))
        asked = {"model": "m", "input": "and?", "previous_response_id": name_of("a")}
        got = await rooms.serve(by(b"a", json_incoming("/v1/responses", asked)))
        assert orjson.loads(got.body)["previous_response_id"] == name_of("a")
        assert sent(rooms)[1] == b"q.example"
        assert orjson.loads(rooms.wires[-1].sent.partition(b"\r\n\r\n")[2])["previous_response_id"] == "resp_1"

    run(test)


def test_nobody_else_has_what_a_caller_has_made():
    async def test() -> None:
        rooms = keeping()
        for name in (name_of("a"), "resp_1", name_of("b") + "x", name_of("b", "gone")):
            got = await rooms.serve(by(b"b", incoming("GET", f"/v1/responses/{name}")))
            assert (got.status, orjson.loads(got.body)["error"]["code"]) == (404, "not_found")
            asked = {"model": "m", "input": "x", "previous_response_id": name}
            got = await rooms.serve(by(b"b", json_incoming("/v1/responses", asked)))
            error = orjson.loads(got.body)["error"]
            assert (got.status, error["code"]) == (400, "previous_response_not_found")
            assert error["param"] == "previous_response_id"
        other = await rooms.serve(by(b"a", incoming("GET", f"/providers/p/responses/{name_of('a')}")))
        assert other.status == 404
        assert rooms.wires == []

    run(test)


def test_an_answer_outlives_the_name_of_its_model():
    async def test() -> None:
        rooms = with_courses(keeping(), router=Router((), {"q": OTHER}))
        got = await rooms.serve(by(b"a", incoming("GET", f"/v1/responses/{name_of('a')}")))
        assert (got.status, sent(rooms)[1]) == (200, b"q.example")

    run(test)


def test_without_seals_names_pass_as_they_are():
    async def test() -> None:
        rooms = Rooms(whole(KEPT))
        made = await rooms.serve(json_incoming("/v1/responses", {"model": "m", "input": "hi"}))
        assert made.body == KEPT

    run(test)


def from_a() -> Incoming:
    asked = chat()
    asked.headers[b"authorization"] = b"a"
    return asked


def test_a_call_waits_until_it_can_be_told_who_calls():
    async def test() -> None:
        identity = Asks()
        rooms = with_courses(Rooms(whole(answer(usage=USAGE))), identity=identity)
        serving = asyncio.get_running_loop().create_task(rooms.serve(from_a()))
        await identity.waiting.wait()
        assert rooms.records == []
        identity.asked.set()
        assert (await serving).status == 200
        assert [record.key_id for record in rooms.records] == ["a"]

    run(test)


def test_who_leaves_while_waiting_is_on_record_and_nothing_was_sent():
    async def test() -> None:
        identity = Asks()
        rooms = with_courses(Rooms(whole(answer(usage=USAGE))), identity=identity)
        drive = rooms.begin(from_a(), ListReply(rooms.log))
        await identity.waiting.wait()
        drive.cancel()
        await drive.wait()
        await rooms.ended()
        assert [record.error_code for record in rooms.records] == ["client_closed"]
        assert rooms.wires == []

    run(test)


def test_a_credential_that_does_not_last_is_looked_at_in_each_call():
    async def test() -> None:
        identity = Watched()
        rooms = with_courses(Rooms(whole(answer(usage=USAGE))), identity=identity)
        first = from_a()
        for _ in range(3):
            assert (await rooms.serve(same_head(first, "m"))).status == 200
        assert identity.calls == 3

    run(test)
