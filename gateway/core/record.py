"""The record of one exchange: one JSON line in the spool, one row of the table ``ingest``.

Field names are column names (INTERFACE §6). The line never holds matched text; bodies only as ``capture`` allows.
"""

from __future__ import annotations

import msgspec


class AttemptRecord(msgspec.Struct, kw_only=True):
    """One try at one provider."""

    number: int = 1
    started_us: int = 0
    provider: str = ""
    deployment: str = ""
    kind: str = "first"
    status: int = 0
    error_code: str = ""
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nanousd: int | None = None


class GuardEvent(msgspec.Struct, kw_only=True):
    """One detector hit. Offsets are code points in the segment at ``path``; the text itself is never kept."""

    rule: str
    detector: str
    action: str
    mode: str
    direction: str
    path: str
    start: int
    end: int
    score: float | None = None
    latency_us: int = 0


class MirrorRecord(msgspec.Struct, kw_only=True):
    """What became of a copy of a call at another deployment, beside what its client got. No word of either is here.

    Attributes:
        mirror_of: The exchange that this is a copy of; what starts with ``real_`` is of that one.
        same_text: The two say the same; ``None`` where one of them is not known, as in all that follows.
        same_tools: They call the same tools with the same arguments.
        same_finish: They ended for the same reason.
        chars: Characters that were said.
        tool_calls: Tools that were called.
    """

    mirror_of: str
    real_deployment: str = ""
    same_text: bool | None = None
    same_tools: bool | None = None
    same_finish: bool | None = None
    chars: int | None = None
    real_chars: int | None = None
    tool_calls: int | None = None
    real_tool_calls: int | None = None
    finish_reason: str = ""
    real_finish_reason: str = ""
    input_tokens: int | None = None
    real_input_tokens: int | None = None
    output_tokens: int | None = None
    real_output_tokens: int | None = None
    cost_nanousd: int | None = None
    real_cost_nanousd: int | None = None
    ttft_ms: float | None = None
    real_ttft_ms: float | None = None
    duration_ms: float = 0.0
    real_duration_ms: float = 0.0


class CacheRecord(msgspec.Struct, kw_only=True):
    """What a cache made of a call: the answer that it gave, or would have given.

    Attributes:
        origin: The exchange that brought the answer.
        partition: Who shares such answers, as a digest.
        similarity: Of the two questions, as a cosine; ``None`` where they are the same.
        chance: That the answer serves, by who judges that.
        guards: Names of what did not agree in the two questions.
        shadow: What would have become of the call; empty where it is no question of that.
        age_s: Of the answer.
        saved_nanousd: What the answer had cost; ``None`` when nobody knows.
        saved_ms: How much longer it had taken to make.
    """

    origin: str = ""
    partition: str = ""
    similarity: float | None = None
    chance: float | None = None
    guards: list[str] = []
    shadow: str = ""
    age_s: int | None = None
    saved_nanousd: int | None = None
    saved_ms: float | None = None


class CaptureRecord(msgspec.Struct, kw_only=True):
    """What was kept of a call's bodies.

    Attributes:
        user: Whom the request says that it is for (``user``, ``safety_identifier``, ``metadata.user_id``).
        request_bytes: Of what is kept, before it was cut; ``None`` where nothing is.
        response_bytes: Likewise.
        media: How many images, sounds and files were left out for their digests.
    """

    user: str = ""
    request_bytes: int | None = None
    response_bytes: int | None = None
    media: int = 0


class ExchangeRecord(msgspec.Struct, kw_only=True):
    """Everything that is known of one exchange; filled as it goes, written once.

    ``started_us`` is microseconds since 1970 and becomes the column ``started_at``; every ``Nullable`` column is
    ``None`` when nobody knows the value.
    """

    v: int = 1
    id: str = ""
    started_us: int = 0
    tenant: str = ""
    team: str = ""
    key_id: str = ""
    session_id: str = ""
    tags: dict[str, str] = {}
    dialect: str = ""
    route: str = ""
    alias: str = ""
    # The split that the caller is in, and its arm there.
    split: str = ""
    arm: str = ""
    provider: str = ""
    deployment: str = ""
    model_requested: str = ""
    model_served: str = ""
    stream: bool = False
    status: int = 0
    error_code: str = ""
    finish_reason: str = ""
    verdict: str = "allow"
    policy_revision: str = ""
    config_hash: str = ""
    cache: str = "off"
    # Where an answer was at hand, one.
    cached: list[CacheRecord] = []
    usage_source: str = "missing"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    image_input_tokens: int | None = None
    cost_nanousd: int | None = None
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    overhead_ms: float = 0.0
    chunks: int = 0
    # Answers of a session in which both sides speak at any time.
    responses: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    prompt_id: str = ""
    prompt_version: str = ""
    coverage: float = 1.0
    # Fields of the request that the provider's dialect could not carry and that were left out.
    dropped_fields: list[str] = []
    # Characters of a streamed answer that had left when a rule ended it.
    released_chars: int | None = None
    # Of the caller: the trace that it has begun, its span there, and what the header says of them besides. The last two
    # are for whoever tells of the call; the store does not keep them.
    trace_id: str = ""
    span_id: str = ""
    trace_flags: int = 0
    trace_state: str = ""
    # Lines that were dropped before this one because the spool was full; the ledger says what it does not know.
    dropped_before: int = 0
    attempts: list[AttemptRecord] = []
    guard_events: list[GuardEvent] = []
    # Of a copy of another call, one: how it compares with that.
    mirrors: list[MirrorRecord] = []
    # Which bodies are kept (``redacted``, ``full``), empty for none; and where they are, what of them.
    capture: str = ""
    captured: list[CaptureRecord] = []
    request_body: str | None = None
    response_body: str | None = None
