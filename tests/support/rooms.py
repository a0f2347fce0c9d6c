"""A whole pipeline of real rooms, with a transport and a client written by hand, and a log of what happened when."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import orjson

from gateway.accounting.ledger import Ledger
from gateway.accounting.limits import Limits
from gateway.accounting.meter import Accounting
from gateway.accounting.prices import PriceBook
from gateway.answering import Answers
from gateway.cache.memory import MemoryAnswers
from gateway.cache.relaying import Relaying
from gateway.clients.tokenizers import Tokenizers
from gateway.core.cache_rules import CacheRules
from gateway.core.cache_told import CacheCounts
from gateway.core.call import Call
from gateway.core.errors import GatewayError
from gateway.core.exchange import Deployment, Incoming, Principal, Request, Timeouts
from gateway.core.limit_state import Standing
from gateway.core.limits import LimitRule
from gateway.core.ports import AnswerSink
from gateway.core.prices import PriceRow
from gateway.core.record import ExchangeRecord
from gateway.core.usage import Usage
from gateway.core.verdict import Bundle, DetectorSpec, Match, PatternSpec, RuleSpec, Step, When
from gateway.course import Courses
from gateway.guards.engine import GuardEngine
from gateway.guards.sessions import Sessions
from gateway.identity.open import OpenIdentity
from gateway.listener.drive import Drive
from gateway.pipeline import Pipeline
from gateway.realtime.seat import Seats
from gateway.recording.capture import Capture
from gateway.recording.journal import Journal
from gateway.roads import Roads
from gateway.routing.health import Healths
from gateway.routing.table import RouteEntry, Router
from gateway.upstream.catalog import CatalogProvider
from gateway.upstream.dispatch import Dispatcher
from gateway.wire.answer_head import AnswerHead
from tests.support.clock import ManualClock
from tests.support.incoming import json_incoming
from tests.support.sinks import ListReply

PROVIDER = Deployment(
    provider="p", kind="openai", model="", base_url="http://p.example/v1", credential=b"", timeouts=Timeouts()
)
# Nano-dollars a token: 1000 in, 2000 out.
PRICES = (PriceRow(provider="p", model="*", input_usd_mtok=1.0, output_usd_mtok=2.0),)
ONE_AT_A_TIME = LimitRule(scope="provider", concurrency=1)
Script = Callable[[AnswerSink], None]


class Wire:
    """One request at the hand-written transport."""

    def __init__(self, sent: bytes, sink: AnswerSink, log: list[Any]) -> None:
        self.sent = sent
        self.sink = sink
        self._log = log

    def cancel(self) -> None:
        self._log.append("cancel")

    def pause(self) -> None:
        self._log.append("pause")

    def resume(self) -> None:
        self._log.append("resume")


class _Lease:
    """A real lease, or none where nothing is limited, that says in the log how it ended."""

    def __init__(self, inner: Any, log: list[Any]) -> None:
        self._inner = inner
        self._log = log

    @property
    def lease(self) -> Any:
        return self._inner

    def settle(self, usage: Usage | None, nanousd: int | None = None) -> None:
        self._log.append("settle" if usage is None else f"settle {usage.input_tokens}+{usage.output_tokens}")
        if self._inner is not None:
            self._inner.settle(usage, nanousd)

    def void(self) -> None:
        self._log.append("void")
        if self._inner is not None:
            self._inner.void()

    def standings(self) -> tuple[Standing, ...]:
        return () if self._inner is None else self._inner.standings()


class _LoggedLedger(Ledger):
    """A real ledger whose leases say how they ended."""

    log: list[Any]

    def reserve(self, call: Call, principal: Principal, request: Request, deployment: Deployment) -> Any:
        return _Lease(super().reserve(call, principal, request, deployment), self.log)


@functools.cache
def tokenizers() -> Tokenizers:
    """One for all tests of the process: what it loads takes long."""
    return Tokenizers()


@functools.cache
def guards(*rules: RuleSpec) -> GuardEngine:
    """Rules over two detectors: the words ``osprey`` and ``falcon``."""
    detectors = tuple(
        DetectorSpec(
            name=word,
            use="pattern",
            patterns=(PatternSpec(name="P1", expression=word, label=word.upper(), max_chars=len(word)),),
        )
        for word in ("osprey", "falcon")
    )
    return GuardEngine(Bundle(revision="0123456789ab", detectors=detectors, rules=rules))


def rule(word: str, action: Any, direction: Any, mode: Any = "enforce") -> RuleSpec:
    when = When(op="detector", name=word)
    match = Match(direction=(direction,))
    return RuleSpec(id=f"{action}-{word}", match=match, when=when, steps=(Step(action=action),), mode=mode)


class Rooms:
    """A pipeline, and everything that it said to the outside.

    Attributes:
        log: Starts, writes and ends of answers, endings of leases, records filed and counted, in order.
        records: As they were when they were filed.
        wires: Requests that reached the transport.

    Args:
        script: What the provider answers; ``None`` leaves that to the test.
        rules: Over two detectors, the words ``osprey`` and ``falcon``.
        limits: In force.
        bodies: Which are captured.
        engine: Other guards than those of the rules.
        aliases: Further models, and where they are.
        cache: Which answers are kept.
        leases: Every call has one, whether anything limits it or not.
    """

    def __init__(
        self,
        script: Script | None,
        *rules: RuleSpec,
        limits: tuple[LimitRule, ...] = (),
        bodies: Any = "none",
        engine: GuardEngine | None = None,
        aliases: dict[str, Deployment] | None = None,
        cache: CacheRules | None = None,
        leases: bool = True,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.log: list[Any] = []
        self.records: list[ExchangeRecord] = []
        # Of the cell that it stands for.
        self.first_tries = 0
        self.wires: list[Wire] = []
        self.clock = ManualClock()
        self.bugs: list[BaseException] = []
        self._script = script
        numbers = itertools.count(1)

        def new_id(_: int) -> str:
            # As long as real ones where the length is known beforehand.
            return f"id-{next(numbers)}" if leases else f"{next(numbers):032x}"

        http: Any = self
        accounting = Accounting(PriceBook(PRICES, _no_catalog), tokenizers(), Limits(limits, self.clock))
        ledger = _LoggedLedger(accounting) if leases else Ledger(accounting)
        if isinstance(ledger, _LoggedLedger):
            ledger.log = self.log
        own = msgspec.structs.replace(PROVIDER, provider="weighbridge", kind="catalog")
        routes = tuple(
            RouteEntry(alias=alias, deployment=to) for alias, to in {"m": PROVIDER, **(aliases or {})}.items()
        )
        journal = Journal(self, self, self.clock, new_id, Capture(bodies=bodies), "config-hash")
        sessions = Sessions()
        self.answers: Answers | None = None
        if cache is not None:
            store = MemoryAnswers(cache.store, self._unix_s, self.clock.monotonic_ns)
            self.answers = Answers(cache, store, self._unix_s, CacheCounts(), relaying=Relaying(None, self.clock))
        self.pipeline = Pipeline(
            courses=Courses(
                identity=OpenIdentity(),
                router=Router(routes, {"p": PROVIDER, "weighbridge": own}),
                provider_of={"openai_models": "weighbridge"},
                guards=engine or guards(*rules),
                journal=journal,
                sessions=sessions,
                roads=Roads(Healths(lambda: self.clock.monotonic_ns() / 1e9)),
                ways=self.answers or Seats(),
            ),
            ledger=ledger,
            dispatcher=Dispatcher(http, {"catalog": CatalogProvider(("m",))}),
            journal=journal,
            head=AnswerHead(),
            sessions=sessions,
            loop=self.loop,
        )

    def _unix_s(self) -> int:
        return self.clock.unix_us() // 1_000_000

    # --- what the pipeline's rooms call

    def send(self, origin: Any, wire: bytes, sink: AnswerSink, timeouts: Timeouts) -> Wire:
        made = Wire(wire, sink, self.log)
        self.wires.append(made)
        if self._script is not None:
            self.loop.call_soon(self._script, sink)
        return made

    def append(self, record: ExchangeRecord) -> None:
        self.log.append("filed")
        self.records.append(msgspec.convert(msgspec.to_builtins(record), ExchangeRecord))

    def append_line(self, line: bytes) -> None:
        self.log.append("filed")
        self.records.append(msgspec.json.decode(line, type=ExchangeRecord))

    def observe(self, record: ExchangeRecord) -> None:
        self.log.append("counted")

    def cell(self, dialect: str, provider: str, model: str, status: int, code: str) -> Any:
        return self

    def add(self, row: Any) -> None:
        self.log.append("counted")

    # --- what a test does

    @property
    def record(self) -> ExchangeRecord:
        """The one record there is."""
        (record,) = self.records
        return record

    def begin(self, asked: Incoming, reply: ListReply) -> Drive:
        """Start a request as the listener does."""
        drive = Drive(self._edge(asked, reply), self.loop, lambda _: None)
        drive.start()
        return drive

    async def serve(self, asked: Incoming) -> ListReply:
        """Serve a request to its end."""
        reply = ListReply(self.log)
        await asyncio.wait_for(self.begin(asked, reply).wait(), 60)
        assert self.bugs == []
        return reply

    async def ended(self) -> None:
        """Wait for the calls whose clients have gone."""
        while self.pipeline.endings:
            await asyncio.wait(self.pipeline.endings, timeout=60)

    async def _edge(self, asked: Incoming, reply: ListReply) -> None:
        try:
            await self.pipeline.handle(asked, reply)
        except Exception as error:
            self.bugs.append(error)
            raise


def _no_catalog() -> Any:
    class Empty:
        def provider_id(self, name: str, base_url: str) -> str:
            return ""

        def listed(self, provider_id: str, model: str) -> tuple[Any, ...]:
            return ()

        def context_window(self, provider_id: str, model: str) -> int:
            return 0

    return Empty()


def chat(text: str = "hello", **more: Any) -> Incoming:
    """A chat request as the listener hands it on."""
    document = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
    made = json_incoming("/v1/chat/completions", document)
    made.received_ns = 1_000_000_000
    return made


USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
JSON = {b"content-type": b"application/json", b"x-request-id": b"req_1"}
EVENTS = {b"content-type": b"text/event-stream"}


def answer(text: str = "hi there", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return orjson.dumps({"id": "1", "object": "chat.completion", "model": "m-1", "choices": [choice], **more})


def event(text: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    finish = "stop" if text is None else None
    choices = [] if "usage" in more else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + orjson.dumps({"id": "1", "model": "m-1", "choices": choices, **more}) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def whole(body: bytes, status: int = 200, headers: dict[bytes, bytes] = JSON) -> Script:
    def say(sink: AnswerSink) -> None:
        sink.on_head(status, dict(headers))
        sink.on_data(body)
        sink.on_end()

    return say


def stream(*pieces: bytes | GatewayError) -> Script:
    def say(sink: AnswerSink) -> None:
        sink.on_head(200, dict(EVENTS))
        for piece in pieces:
            if isinstance(piece, GatewayError):
                sink.on_fail(piece)
                return
            sink.on_data(piece)
        sink.on_end()

    return say


def failing(error: GatewayError) -> Script:
    return lambda sink: sink.on_fail(error)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def filed_once_and_in_time(log: list[Any]) -> None:
    """The record is on disk, once, before the last byte of the answer leaves; what was reserved was let go once."""
    assert log.count("filed") == log.count("counted") == 1
    ends = [log.index(end) for end in ("send", "finish", "abort") if end in log]
    assert len(ends) <= 1
    assert all(log.index("filed") < end for end in ends)
    assert sum(str(step).startswith(("settle", "void")) for step in log) <= 1
