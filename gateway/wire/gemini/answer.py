"""Whole answers: every text in them, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.core.exchange import AnswerFacts
from gateway.core.segments import Path, Segment
from gateway.wire.gemini.parts import ANSWER_PART, NUMBER
from gateway.wire.gemini.spelling import either
from gateway.wire.gemini.usage import told_usage
from gateway.wire.grammar import Found, constant, each, fields, nothing, text
from gateway.wire.shapes import is_array, is_object, is_text

FINISH_REASONS = frozenset((
    "FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST",
    "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER",
    "NO_IMAGE", "IMAGE_RECITATION", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE", "MODEL_ARMOR",
))  # fmt: skip
_BLOCK_REASONS = (
    "BLOCKED_REASON_UNSPECIFIED", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR",
    "JAILBREAK",
)  # fmt: skip
_MODALITIES = each(
    fields(either({"modality": constant("TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"), "tokenCount": NUMBER}))
)
_COUNTS = (
    "promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "responseTokenCount", "thoughtsTokenCount",
    "toolUsePromptTokenCount", "totalTokenCount", "totalTokens", "totalBillableCharacters",
)  # fmt: skip
_DETAILS = ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails")
USAGE = fields(
    either(
        {
            **dict.fromkeys(_COUNTS, NUMBER),
            **dict.fromkeys(_DETAILS, _MODALITIES),
            "trafficType": constant("ON_DEMAND", "PROVISIONED_THROUGHPUT"),
        }
    )
)
_LEVEL = constant("NEGLIGIBLE", "LOW", "MEDIUM", "HIGH")
RATINGS = each(
    fields(
        either(
            {
                "category": constant(
                    "HARM_CATEGORY_HATE_SPEECH", "HARM_CATEGORY_DANGEROUS_CONTENT", "HARM_CATEGORY_HARASSMENT",
                    "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_CIVIC_INTEGRITY",
                ),
                "probability": _LEVEL,
                "severity": constant(
                    "HARM_SEVERITY_NEGLIGIBLE", "HARM_SEVERITY_LOW", "HARM_SEVERITY_MEDIUM", "HARM_SEVERITY_HIGH"
                ),
                "blocked": NUMBER,
                "probabilityScore": NUMBER,
                "severityScore": NUMBER,
            }
        )
    )
)  # fmt: skip
FEEDBACK = fields(
    either({"blockReason": constant(*_BLOCK_REASONS), "safetyRatings": RATINGS, "blockReasonMessage": text("refusal")})
)
_CANDIDATE = fields(
    either(
        {
            "content": fields({"role": constant("model"), "parts": each(ANSWER_PART)}, otherwise=text("text")),
            "finishReason": constant(*FINISH_REASONS),
            "finishMessage": text("refusal"),
            "index": NUMBER,
            "tokenCount": NUMBER,
            "avgLogprobs": NUMBER,
            "safetyRatings": RATINGS,
            # Repeats the text token by token; a candidate whose text is edited loses it.
            "logprobsResult": nothing,
        }
    )
)
_ANSWER = fields(
    either(
        {
            "candidates": each(_CANDIDATE),
            "promptFeedback": FEEDBACK,
            "usageMetadata": USAGE,
            "modelVersion": nothing,
            "responseId": nothing,
            "createTime": nothing,
        }
    )
)
_COUNTED = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})


def answer_segments(document: Any) -> Iterator[Segment]:
    """Every text of a whole answer, in the order in which it stands there."""
    found: Found = []
    _ANSWER((), "assistant", document, found)
    return iter(found)


def written_text(document: Any) -> str:
    """What the model wrote, to count its tokens."""
    return "\n".join(segment.text for segment in answer_segments(document) if segment.kind in _COUNTED)


def read_answer(document: Any) -> AnswerFacts:
    """Read usage, model and finish reason; a field of the wrong type counts as absent."""
    if not is_object(document):
        return AnswerFacts()
    model = document.get("modelVersion")
    candidates = document.get("candidates")
    reasons = [each.get("finishReason") for each in candidates if is_object(each)] if is_array(candidates) else []
    return AnswerFacts(
        model_served=model if is_text(model) else "",
        finish_reason=joined_reasons(reasons) or block_reason(document),
        usage=told_usage(document),
    )


def block_reason(document: dict[str, Any]) -> str:
    """Why the provider would not take the prompt; empty when it did."""
    feedback = document.get("promptFeedback")
    reason = feedback.get("blockReason") if is_object(feedback) else None
    return reason if is_text(reason) else ""


def joined_reasons(reasons: Iterable[Any]) -> str:
    """Join the distinct finish reasons of several candidates, in their order."""
    return ",".join(dict.fromkeys(reason for reason in reasons if is_text(reason) and reason))


def strip_repeats(document: Any, paths: set[Path]) -> Any:
    """Return a copy in which edited candidates have no ``logprobsResult``: it spells the text out once more."""
    candidates = document.get("candidates") if is_object(document) else None
    edited = {path[1] for path in paths if len(path) > 1 and path[0] == "candidates"}
    if not is_array(candidates) or not edited:
        return document
    left = [without_logprobs(each) if at in edited and is_object(each) else each for at, each in enumerate(candidates)]
    return {**document, "candidates": left}


def without_logprobs(candidate: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate without what spells out its text; the same object when there is none."""
    if "logprobsResult" not in candidate and "logprobs_result" not in candidate:
        return candidate
    return {name: value for name, value in candidate.items() if name not in ("logprobsResult", "logprobs_result")}
