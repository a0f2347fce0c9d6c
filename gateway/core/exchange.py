"""The values of one exchange, in the order in which they come to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from gateway.core.capture import Bodies
from gateway.core.chat_template import TemplateSource
from gateway.core.errors import GatewayError
from gateway.core.limits import Budget
from gateway.core.route_rules import RouteWhen, Split
from gateway.core.usage import Price, Usage

# Lower-case names; a name that came several times is joined by ", " where HTTP allows that.
Headers = dict[bytes, bytes]


class Incoming(msgspec.Struct):
    """One request as the listener read it: framed, bounded, not understood.

    Attributes:
        method: ``GET``, ``POST``, …
        path: Percent-encoded path as it came, without the query.
        query: What followed ``?``, without it.
        headers: Lower-case names.
        body: The whole body.
        peer: Address of the client, ``host:port`` or a socket path.
        received_ns: Monotonic clock when the first byte of the request was seen.
        fault: The request was framed badly enough that nothing else of it can be believed; answer with this.
        memo: What was worked out from the head alone. Requests of one connection whose heads are equal, byte for byte
            but for the length, share it; bounded by its few writers, each with one key.
    """

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes
    peer: str
    received_ns: int
    fault: GatewayError | None = None
    memo: dict[str, Any] = {}


class Request(msgspec.Struct, kw_only=True):
    """A request understood by its dialect.

    Attributes:
        dialect: ``openai_chat``, ``openai_completions``, ``openai_embeddings``, ``openai_models``, ``passthrough``,
            ``anthropic_messages``, ``anthropic_count_tokens``, ``gemini``, ``gemini_tokens``, ``gemini_embeddings``,
            ``openai_realtime``.
        operation: OpenTelemetry's ``gen_ai.operation.name``: chat, text_completion, embeddings; empty for others.
        route: The path's template, as policies and the record name it: ``/v1/chat/completions``.
        upstream_path: Path and query below the provider's base URL: ``/chat/completions``.
        model_in_path: ``{model}`` in ``upstream_path`` stands for the name that the provider knows.
        provider: The provider named in the path (``/providers/{name}/…``), else empty.
        document: The parsed JSON body, or ``None`` when the body is not JSON. Never changed in place.
        body: The bytes to send when nothing must change.
        model: As the client wrote it; empty when the dialect has none.
        stream: The client asked for a stream.
        stream_type: Content type of the stream that the client is given, where it is not the provider's.
        wants_usage: The client asked for the usage chunk itself.
        choices: How many answers were asked for (``n``).
        max_output_tokens: The most the client lets the model write, when it said so.
        stored: The name of an answer that a provider keeps, which this request asks for or goes on from, as the client
            wrote it; else empty.
        kept: The provider's own name for it, once that is known.
        bound: The provider that keeps it, once that is known; empty where any will do.
        detached: The answer does not need its client: it is made in the background, or is there already. Its first
            events are worth having by themselves.
        after: The client has seen the events of a stream up to this number.
        seal: Makes of a provider's own name for an answer the one that its client gets.
        duplex: It opens a session in which both sides speak at any time.
        describes: It asks what a model is, and for no answer of it.
        keeps: Gives where a stream's bytes are kept as they come, since somebody may be given them again.
    """

    dialect: str
    operation: str
    route: str
    upstream_path: str
    model_in_path: bool = False
    provider: str = ""
    document: Any = None
    body: bytes = b""
    model: str = ""
    stream: bool = False
    stream_type: bytes = b""
    wants_usage: bool = False
    choices: int = 1
    max_output_tokens: int | None = None
    stored: str = ""
    kept: str = ""
    bound: str = ""
    detached: bool = False
    after: int | None = None
    seal: Callable[[str], str] | None = None
    duplex: bool = False
    describes: bool = False
    keeps: Callable[[], list[bytes]] | None = None


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling, and what they may do.

    Attributes:
        tags: On every call, whatever its headers say.
        models: Globs of the aliases that may be named; empty for all.
        operations: Names of operations (``chat``), and globs of routes (``/v1/files*``); empty for all.
        settable: Globs of the names of tags that a call's headers may set; ``None`` for all.
        strict: Every rule acts, as if each call asked for it.
        capture: How much is kept of the bodies of its calls; ``None`` where that is for others to say.
        budget: What all calls of the key may cost, besides what limits say.
        consumed: Names of the headers that carried the caller's credential for us; they never go upstream.
        inner: The gateway itself asks, for a judge; no rule looks at that.
        lasting: What the caller showed is good for as long as this process knows it; else it is looked at in each call.
    """

    key_id: str = ""
    tenant: str = ""
    team: str = ""
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    settable: tuple[str, ...] | None = None
    strict: bool = False
    capture: Bodies | None = None
    budget: Budget | None = None
    consumed: frozenset[bytes] = frozenset()
    inner: bool = False
    lasting: bool = True


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of itself in its headers: for the record, and that every rule is to act.

    Attributes:
        trace_id: The trace that its caller has begun; empty where there is none.
        span_id: The caller's span there, the parent of ours.
        trace_flags: The caller's; the lowest bit says that the trace is kept there.
        trace_state: What the systems that the trace came through say of it.
    """

    tags: dict[str, str] = {}
    trace_id: str = ""
    span_id: str = ""
    trace_flags: int = 0
    trace_state: str = ""
    session_id: str = ""
    strict: bool = False


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """The four timers of an attempt, in seconds."""

    connect_s: float = 5.0
    first_token_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one provider.

    Attributes:
        provider: The provider's name in the configuration.
        kind: Which dialects the provider speaks: see ``wire.bridge``.
        model: The name the provider knows; empty keeps what the client wrote.
        base_url: Scheme, authority and path prefix, without a trailing slash.
        credential: Header lines that authenticate us, already encoded; ``None`` passes the client's own on.
        on_unsupported: What becomes of a field that the provider's dialect cannot carry.
        template: How a model without a chat interface is spoken to: a name, or as it was written; empty for the usual
            way.
        api_version: Of Azure's API; empty for all others.
        max_concurrency: The most calls that it is given at once; 0 for any number.
        context_window: Tokens that a request and its answer may have together; 0 where that is not known.
    """

    provider: str
    kind: str
    model: str
    base_url: str
    credential: bytes | None
    timeouts: Timeouts = Timeouts()
    price: Price | None = None
    on_unsupported: Literal["reject", "drop"] = "reject"
    template: str | TemplateSource = ""
    api_version: str = ""
    max_concurrency: int = 0
    context_window: int = 0


# Why a try came to nothing, as far as another one may help; the contract's names for ``retry.on``.
Cause = Literal["connect", "timeout", "invalid", "408", "409", "429", "5xx"]
CAUSES: tuple[Cause, ...] = ("connect", "timeout", "invalid", "408", "409", "429", "5xx")
Strategy = Literal[
    "weighted", "round_robin", "random", "least_busy", "lowest_ttft", "lowest_tpot", "lowest_cost", "prefix_affinity",
    "session_affinity", "when-rules",
]  # fmt: skip


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a deployment is left alone for a while, because it fails.

    Attributes:
        consecutive: After so many failures in a row.
        share: Or when this share of its calls failed in the window, where there were at least ``min_calls``.
        window_s: Over which the share is taken.
        open_s: How long at first; every further time twice as long, up to ``max_open_s``.
    """

    consecutive: int = 3
    share: float = 0.5
    min_calls: int = 20
    window_s: float = 10.0
    open_s: float = 2.0
    max_open_s: float = 60.0


class QueueRule(msgspec.Struct, frozen=True, kw_only=True):
    """How calls wait in front of deployments that are full.

    Attributes:
        length: The most calls that wait at once; 0 for none.
        wait_s: The longest that one waits.
        by: Who takes turns.
    """

    length: int = 64
    wait_s: float = 5.0
    by: Literal["key", "team", "tenant"] = "key"


class OutlierRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a deployment that fails more often than its peers is left alone for a while.

    Attributes:
        below: So much less of its calls go well than of theirs.
        min_calls: In the window, it and they together each had at least so many.
        window_s: Over which the shares are taken.
        eject_s: How long at first; every further time as much longer, up to ``max_eject_s``.
        most: No larger share of an alias' deployments is left alone for this at once; 0 for none.
    """

    below: float = 0.2
    min_calls: int = 50
    window_s: float = 30.0
    eject_s: float = 30.0
    max_eject_s: float = 300.0
    most: float = 0.5


class ProbeRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a deployment is asked something small, to know how it fares.

    Attributes:
        every_s: When nobody has called it for so long.
        timeout_s: How long it may take to begin its answer.
        max_tokens: How long that may be.
        max_nanousd_per_day: What the probes of an alias may cost.
        max_unpriced_per_day: How many there may be of those whose price nobody knows.
    """

    every_s: float = 30.0
    timeout_s: float = 10.0
    max_tokens: int = 16
    max_nanousd_per_day: int = 100_000_000
    max_unpriced_per_day: int = 1000


class ContinueRule(msgspec.Struct, frozen=True, kw_only=True):
    """How a plain text stream that its provider cuts is gone on with.

    Attributes:
        times: How often, for one call.
        by: How the next deployment is asked: ``prefill`` gives it the partial answer as the beginning of its own,
            ``instruct`` tells it to go on from there, ``auto`` takes the first where the model is known to take it.
    """

    times: int = 2
    by: Literal["auto", "prefill", "instruct"] = "auto"


class HedgeRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a call that nobody has begun to answer is given to a second deployment as well.

    Attributes:
        after_s: After so many seconds; 0 where ``quantile`` says it.
        quantile: After as long as this share of the deployment's calls waits for its first byte.
        max_extra_cost: What answers that come too late may cost, as a share of what the alias' calls cost.
    """

    after_s: float = 0.0
    quantile: float = 0.95
    max_extra_cost: float = 0.1


class MirrorRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are asked of another deployment as well, when they have been answered; and what that may take.

    Attributes:
        sample: The share of calls.
        timeout_s: How long a copy may take, from being sent to being weighed.
        concurrency: The most copies under way at once.
        queue: The most that wait; further ones are dropped.
        max_body_bytes: Of the request, and of the answer that is compared.
    """

    sample: float = 0.01
    timeout_s: float = 60.0
    concurrency: int = 4
    queue: int = 16
    max_body_bytes: int = 262_144


class RoutePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How calls of an alias are spread over its deployments, and what happens when one of them fails.

    Attributes:
        retries: Further tries after the first, wherever they go.
        retry_on: What is worth another try.
        split: Shares callers out over arms, where there are several.
        probe: When its deployments are asked without a call; ``None`` for never.
        continues: What becomes of a stream that is cut after its first byte; ``None``: it ends with its error.
        hedge: When a second deployment is asked before the first has failed; ``None`` for never.
        mirror: Which calls are asked of another deployment too, for comparison; ``None`` for none.
    """

    strategy: Strategy = "weighted"
    retries: int = 2
    retry_on: frozenset[Cause] = frozenset(CAUSES)
    breaker: BreakerRule = BreakerRule()
    queue: QueueRule = QueueRule()
    outlier: OutlierRule = OutlierRule()
    split: Split | None = None
    probe: ProbeRule | None = None
    continues: ContinueRule | None = None
    hedge: HedgeRule | None = None
    mirror: MirrorRule | None = None


class RoutePlan(msgspec.Struct, frozen=True, kw_only=True):
    """The deployments that may serve a model name, and the alias that led there.

    Attributes:
        weights: Of the candidates, in their order.
        whens: Which requests each is for; none at all where all are for every request.
        arms: To which arm of the split each belongs; empty for all arms. None at all where there is no split.
        main: How many of them are there for all calls; the rest steps in when none of these can.
        policy: Chooses among them; ``None`` where the first serves every call and nothing is tried twice.
        mirror: Who gets copies of calls, where the policy wants that; it serves none.
    """

    alias: str
    candidates: tuple[Deployment, ...]
    weights: tuple[int, ...] = ()
    whens: tuple[RouteWhen, ...] = ()
    arms: tuple[str, ...] = ()
    main: int = 1
    policy: RoutePolicy | None = None
    mirror: Deployment | None = None


class AnswerFacts(msgspec.Struct, kw_only=True):
    """What an answer says about itself.

    Attributes:
        usage: What was used for it; ``None`` when the provider reported none.
        begun: What was used by its beginning, the input mostly, of a stream whose end tells the whole.
        fetched: What was used when it was made, of an answer that a provider has kept and that is only fetched.
    """

    model_served: str = ""
    finish_reason: str = ""
    usage: Usage | None = None
    chunks: int = 0
    begun: Usage | None = None
    fetched: Usage | None = None


class WholeAnswer(msgspec.Struct, kw_only=True):
    """An answer that came in one piece. Header names are lower-case."""

    status: int
    headers: Headers
    body: bytes
