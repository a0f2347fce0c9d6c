"""What a copy of a call is asked, by which rules, what is recorded of it, and who pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from gateway.config.settings import Settings
from gateway.core.capture import Bodies
from gateway.core.chat import ChatAnswer, Choice, Text, ToolCall
from gateway.core.exchange import MirrorRule, RoutePolicy
from gateway.core.limits import LimitRule
from gateway.core.ports import AnswerSink
from gateway.core.usage import Usage
from gateway.core.verdict import Globs, Match, Step
from gateway.guards.vault import PLACEHOLDER
from gateway.wire.bridge import bridge_to
from tests.guards.handmade import does, engine
from tests.parity.speakers import MEDIA, PREFIXES, SPEAKERS, UPSTREAMS, asked_with
from tests.support.duel import settled
from tests.support.mirrored import MIRROR, Mirrored
from tests.support.rooms import (
    DONE,
    EVENTS,
    JSON,
    PROVIDER,
    USAGE,
    Script,
    answer,
    chat,
    event,
    rule,
    run,
    stream,
    whole,
)
from tests.support.settings import good, load

REQUEST, RESPONSE = Match(direction=("request",)), Match(direction=("response",))
MASK = Step(action="mask", restore_in=("assistant_text",))
# At the price list's provider, and known by its address.
PRICED = msgspec.structs.replace(MIRROR, provider="p")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("home")
    return good(load(folder))


def test_a_copy_is_an_exchange_of_nobody_s_that_says_what_it_is_a_copy_of(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, to=PRICED)
        asked = chat("hello")
        asked.headers |= {
            b"x-weighbridge-session": b"s-1",
            b"x-weighbridge-tags": b"env=prod",
            b"traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01",
            b"idempotency-key": b"k",
        }
        await rooms.copied(asked, mirrored=whole(answer("hi you there", usage={**USAGE, "completion_tokens": 6})))
        real, copy, made = rooms.real, rooms.copy, rooms.compared
        assert (real.session_id, real.tags, real.mirrors) == ("s-1", {"env": "prod"}, [])
        assert (copy.tags, copy.session_id, copy.trace_id) == ({"weighbridge": "mirror"}, "", "")
        assert (copy.alias, copy.provider, copy.deployment, copy.model_requested) == ("m", "p", "p/other-1", "m")
        assert [(each.kind, each.deployment, each.status) for each in copy.attempts] == [("mirror", "p/other-1", 200)]
        assert [each.kind for each in real.attempts] == ["first"]
        assert (copy.cost_nanousd, real.cost_nanousd) == (10 * 1000 + 6 * 2000, 10 * 1000 + 4 * 2000)
        assert made.mirror_of == real.id
        assert (made.real_deployment, made.cost_nanousd, made.real_cost_nanousd) == ("p/m", 22_000, 18_000)
        assert (made.same_text, made.same_tools, made.same_finish) == (False, True, True)
        assert (made.chars, made.real_chars, made.output_tokens, made.real_output_tokens) == (12, 8, 6, 4)
        assert (rooms.counts.cost_nanousd, rooms.counts.real_nanousd) == (22_000, 18_000)
        # It is none of a client's repeats, and no exchange in the metrics.
        heads = [wire.sent.partition(b"\r\n\r\n")[0] for wire in rooms.wires]
        assert [b"idempotency-key" in head for head in heads] == [True, False]
        snapshot = rooms.metrics.snapshot()
        assert (snapshot.cells, dict(snapshot.tries)) == ([], {("p", "mirror", "ok"): 1})

    run(test)


def test_times_are_those_of_the_two_tries(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings)

        def within(first_s: float, rest_s: float) -> Script:
            def say(sink: AnswerSink) -> None:
                rooms.clock.advance(first_s)
                sink.on_head(200, dict(EVENTS))
                sink.on_data(event("hi there"))
                rooms.clock.advance(rest_s)
                for piece in (event(), event(usage=USAGE), DONE):
                    sink.on_data(piece)
                sink.on_end()

            return say

        asked = chat("hello", stream=True)
        asked.received_ns = rooms.clock.monotonic_ns()
        await rooms.copied(asked, within(0.1, 0.2), within(0.4, 0.3))
        made = rooms.compared
        assert (made.real_ttft_ms, made.real_duration_ms) == pytest.approx((100.0, 300.0))
        assert (made.ttft_ms, made.duration_ms) == pytest.approx((400.0, 700.0))
        assert rooms.copy.duration_ms == pytest.approx(700.0)

    run(test)


# --- rules


def said(text: str, *, streams: bool) -> Script:
    if streams:
        return stream(event(text), event(), event(usage=USAGE), DONE)
    return whole(answer(text, usage=USAGE))


@pytest.mark.parametrize("streams", [True, False])
def test_what_was_masked_stays_masked_and_rules_look_at_the_request_once(settings: Settings, streams: bool):
    async def test() -> None:
        masks = engine(does("m", "mails", MASK, match=REQUEST))
        rooms = Mirrored(settings, engine=masks, bodies="redacted")
        drive, reply = await rooms.begun(chat("write to ann@one.example", stream=streams))
        placeholder = PLACEHOLDER.findall(rooms.wires[0].sent.decode())[0]

        said(f"Dear {placeholder}", streams=streams)(rooms.wires[0].sink)
        await drive.wait()
        await settled(lambda: len(rooms.wires) == 2)
        assert b"ann@one.example" in reply.body
        assert rooms.sent(1)["messages"] == rooms.sent(0)["messages"]
        assert b"ann@one.example" not in rooms.wires[1].sent
        said(f"Dear {placeholder}", streams=streams)(rooms.wires[1].sink)
        await rooms.quiet()
        # Both are restored, so that the same is the same; and masked again where they are kept.
        assert rooms.compared.same_text
        assert [each.rule for each in rooms.real.guard_events] == ["m"]
        assert rooms.copy.guard_events == []
        kept = f"{rooms.copy.request_body}{rooms.copy.response_body}"
        assert kept.count(placeholder) == 2
        assert "ann@one.example" not in kept

    run(test)


@pytest.mark.parametrize("streams", [True, False])
def test_an_answer_of_the_mirror_s_is_redacted_as_any_other(settings: Settings, streams: bool):
    async def test() -> None:
        rooms = Mirrored(settings, rule("falcon", "redact", "response"), bodies="redacted")

        asked = chat("hello", stream=streams)
        await rooms.copied(asked, said("a bird", streams=streams), said("a falcon", streams=streams))
        assert "falcon" not in str(rooms.copy.response_body)
        assert rooms.copy.response_body
        assert [(each.rule, each.direction) for each in rooms.copy.guard_events] == [("redact-falcon", "response")]
        assert (rooms.copy.verdict, rooms.real.verdict, rooms.compared.same_text) == ("edit", "allow", False)

    run(test)


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(("bodies", "kept"), [("redacted", False), ("full", True)])
def test_an_answer_of_the_mirror_s_that_a_rule_turns_back_is_kept_in_full_alone(
    settings: Settings, streams: bool, bodies: Bodies, kept: bool
):
    async def test() -> None:
        rooms = Mirrored(settings, rule("falcon", "block", "response"), bodies=bodies, to=PRICED)
        script = (
            stream(event("a falcon"), event(), event(usage=USAGE), DONE)
            if streams
            else whole(answer("a falcon", usage=USAGE))
        )
        real = (
            stream(event("a bird"), event(), event(usage=USAGE), DONE)
            if streams
            else whole(answer("a bird", usage=USAGE))
        )
        reply = await rooms.copied(chat("hello", stream=streams), real, script)
        assert (reply.status, rooms.copy.verdict, rooms.copy.error_code) == (200, "block", "policy_blocked")
        assert rooms.copy.capture == bodies
        assert ("falcon" in str(rooms.copy.response_body)) is kept
        assert (rooms.counts.blocked, rooms.compared.same_text) == (1, None)
        # It was made all the same, and is paid.
        assert rooms.copy.cost_nanousd

    run(test)


AT_MIRROR = Match(direction=("request",), provider=Globs(include=("q",)))


def test_a_rule_that_holds_at_the_mirror_alone_is_asked_and_may_turn_the_copy_back(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, engine=engine(does("only", "birds", "block", match=AT_MIRROR)))
        await rooms.copied(chat("a sparrow"))
        reply = await rooms.called(chat("an osprey"))
        await rooms.quiet()
        assert (reply.status, rooms.hosts) == (200, ["p", "q", "p"])
        assert (rooms.counts.answered, rooms.counts.blocked) == (1, 1)
        copy = rooms.copies[-1]
        assert (copy.verdict, copy.error_code, copy.attempts) == ("block", "policy_blocked", [])
        assert [each.rule for each in copy.guard_events] == ["only"]
        assert copy.mirrors[0].mirror_of == rooms.records[2].id

    run(test)


def test_a_rule_that_holds_at_the_mirror_alone_masks_for_it_alone(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, engine=engine(does("only", "mails", MASK, match=AT_MIRROR)))
        await rooms.called(chat("write to ann@one.example"))
        await settled(lambda: len(rooms.wires) == 2)
        assert b"ann@one.example" in rooms.wires[0].sent
        assert b"ann@one.example" not in rooms.wires[1].sent
        placeholder = PLACEHOLDER.findall(rooms.wires[1].sent.decode())[0]
        whole(answer(f"hi {placeholder}", usage=USAGE))(rooms.wires[1].sink)
        await rooms.quiet()
        assert rooms.compared.chars == len("hi ann@one.example")

    run(test)


def test_a_copy_that_a_rule_would_send_elsewhere_goes_nowhere(settings: Settings):
    async def test() -> None:
        route = Step(action="route", route="m")
        rooms = Mirrored(settings, engine=engine(does("away", "birds", route, match=AT_MIRROR)))
        await rooms.called(chat("an osprey"))
        await rooms.quiet()
        assert (rooms.hosts, rooms.counts.blocked) == (["p"], 1)

    run(test)


def test_what_a_copy_says_taints_nobody_s_session(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, rule("falcon", "taint", "response"))
        asked = chat("hello")
        asked.headers[b"x-weighbridge-session"] = b"s-1"
        await rooms.copied(asked, mirrored=whole(answer("a falcon", usage=USAGE)))
        assert [each.action for each in rooms.copy.guard_events] == ["taint"]
        taints = rooms.pipeline.sessions.taints
        assert not taints.tainted("", "s-1")
        assert not taints.tainted("", "")

    run(test)


def test_a_fallback_s_answer_is_copied_too(settings: Settings):
    async def test() -> None:
        other = msgspec.structs.replace(PROVIDER, provider="r", base_url="http://r.example/v1")
        rooms = Mirrored(settings, policy=RoutePolicy(retries=1), candidates=(PROVIDER, other))
        drive, reply = await rooms.begun(chat("hello"))
        whole(b'{"error": {}}', 503)(rooms.wires[0].sink)
        await settled(lambda: len(rooms.wires) == 2)
        said("hi there", streams=False)(rooms.wires[1].sink)
        await drive.wait()
        await settled(lambda: len(rooms.wires) == 3)
        whole(answer("hi you", usage=USAGE))(rooms.wires[2].sink)
        await rooms.quiet()
        assert (reply.status, rooms.hosts) == (200, ["p", "r", "q"])
        assert (rooms.compared.real_deployment, rooms.compared.same_text) == ("r/m", False)
        assert orjson.loads(reply.body)["choices"][0]["message"]["content"] == "hi there"

    run(test)


# --- limits


def held(scope: Any, **more: Any) -> LimitRule:
    return LimitRule(scope=scope, **more)


@pytest.mark.parametrize("scope", ["key", "team", "tenant", "model"])
def test_a_copy_takes_nothing_of_its_caller_s_limits(settings: Settings, scope: Any):
    async def test() -> None:
        rooms = Mirrored(settings, limits=(held(scope, requests=(2, 60.0), tokens=(500, 60.0)),))
        await rooms.copied(chat("hello", max_tokens=200))
        reply = await rooms.copied(chat("hello", max_tokens=200))
        # Two calls, and two copies beside them: as many calls as there may be.
        assert (reply.status, rooms.counts.answered) == (200, 2)
        assert (await rooms.serve(chat("hello"))).status == 429

    run(test)


def test_a_limit_on_the_mirror_s_provider_holds_for_copies(settings: Settings):
    async def test() -> None:
        rooms = Mirrored(settings, limits=(held("provider", match={"provider": ("q",)}, requests=(1, 60.0)),))
        await rooms.copied(chat("hello"))
        reply = await rooms.called(chat("hello"))
        await rooms.quiet()
        assert (reply.status, rooms.hosts, rooms.counts.failed) == (200, ["p", "q", "p"], 1)
        assert (rooms.copies[-1].status, rooms.copies[-1].error_code) == (429, "rate_limited")

    run(test)


@pytest.mark.parametrize("ends", ["answered", "failed", "late"])
def test_what_a_copy_holds_is_let_go_however_it_ends(settings: Settings, ends: str):
    async def test() -> None:
        timeout_s = 0.01 if ends == "late" else 60.0
        limits = (held("provider", match={"provider": ("q",)}, concurrency=1),)
        rooms = Mirrored(settings, limits=limits, rule=MirrorRule(sample=1.0, timeout_s=timeout_s))
        for number in (1, 2):
            await rooms.called(chat("hello"))
            await settled(lambda number=number: rooms.hosts.count("q") == number)
            if ends != "late":
                (whole(answer(usage=USAGE)) if ends == "answered" else whole(b"{}", 500))(rooms.wires[-1].sink)
            await rooms.quiet()
        assert len(rooms.copies) == 2

    run(test)


# --- other dialects

SAID = ChatAnswer(
    id="answer-1",
    model="m-1",
    choices=(
        Choice(
            index=0,
            parts=(
                Text(text="I look."),
                ToolCall(id="call_0", name="look", arguments='{"city": "Bonn", "deep": true}'),
            ),
            finish="tool_calls",
        ),
    ),
    usage=Usage(input_fresh_tokens=5, output_text_tokens=7),
    created_s=1_700_000_000,
)
WORDS = msgspec.structs.replace(SAID, choices=(Choice(index=0, parts=(Text(text="It rains."),), finish="stop"),))


def says(dialect: str, said: ChatAnswer, *, streams: bool, sizes: tuple[int, ...]) -> Script:
    """Give an answer as a provider that speaks a dialect."""
    if not streams:
        return whole(SPEAKERS[dialect].answer(said), headers=JSON)

    def say(sink: AnswerSink) -> None:
        sink.on_head(200, {b"content-type": MEDIA.get(dialect, EVENTS[b"content-type"])})
        for piece in SPEAKERS[dialect].events(said, sizes):
            sink.on_data(piece)
        sink.on_end()

    return say


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("upstream", sorted(UPSTREAMS))
@pytest.mark.parametrize("client", sorted(PREFIXES))
def test_every_dialect_s_calls_are_copied_to_every_other_and_compared(
    settings: Settings, client: str, upstream: str, streams: bool
):
    """The client's own dialect is spoken by the deployment that answers; only the copy crosses."""

    async def test() -> None:
        said = WORDS if "triton" in (client, upstream) else SAID
        real = msgspec.structs.replace(PROVIDER, kind=UPSTREAMS.get(client, "openai"))
        to = msgspec.structs.replace(MIRROR, kind=UPSTREAMS[upstream], on_unsupported="drop")
        rooms = Mirrored(settings, to=to, candidates=(real,))
        asked = SPEAKERS[client].ask(asked_with("hello", "user"), stream=streams)
        asked.received_ns = rooms.clock.monotonic_ns()
        if client == "openai_responses":
            asked.body = orjson.dumps({**orjson.loads(asked.body), "store": False})
        asked = _named_m(asked)
        bridge = bridge_to(client, to)
        spoken = client if bridge is None else bridge.provider.name
        await rooms.copied(
            asked,
            says(client, said, streams=streams, sizes=(3, 4, 5)),
            says(spoken, said, streams=streams, sizes=(9, 2)),
        )
        made = rooms.compared
        assert rooms.copy.error_code == ""
        assert (made.same_text, made.same_tools, made.same_finish) == (True, True, True)
        assert (made.chars, made.tool_calls) == (9, 0) if said is WORDS else (7, 1)

    run(test)


def _named_m(asked: Any) -> Any:
    """Address a request to the alias of these tests."""
    asked.path = asked.path.replace("/f", "/m")
    document = orjson.loads(asked.body)
    if "model" in document:
        asked.body = orjson.dumps({**document, "model": "m"})
    return asked
