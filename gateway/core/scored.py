"""Which detectors ask a model, and what it tells apart: policies are checked by it, and guards are built by it."""

from __future__ import annotations

from gateway.core.verdict import DetectorSpec

# Orders in a prompt, and sentences in what a tool brought that are orders.
INJECTION = ("injection", "instruction")
TOXICITY = ("insult", "threat", "identity_attack", "sexual", "self_harm", "violence")
NAMES = ("PERSON", "ADDRESS")
# Names are opt-in and mask what they find: sure ones only, unless the policy says otherwise.
NAMES_MIN_SCORE = 0.8
STREAM_MODES = ("strict", "balanced")


def scorer_of(spec: DetectorSpec) -> str:
    """Return the model that a detector asks; empty when it asks none."""
    if spec.use == "toxicity":
        return "toxicity"
    if spec.use == "injection":
        return "injection" if spec.options.get("target_fpr") is not None or spec.min_score > 0 else ""
    if spec.use == "pii":
        return "names" if model_entities(spec) else ""
    return ""


def model_entities(spec: DetectorSpec) -> tuple[str, ...]:
    """Return the entities of ``use: pii`` that only a model finds."""
    entities = spec.options.get("entities") or ()
    return tuple(entity for entity in NAMES if entity in entities)


def categories_of(spec: DetectorSpec) -> tuple[str, ...]:
    """Return what a detector wants to hear of from its model."""
    if spec.use == "toxicity":
        return tuple(spec.options.get("categories") or TOXICITY)
    return model_entities(spec) if spec.use == "pii" else INJECTION


def stream_mode(spec: DetectorSpec) -> str:
    """Return what becomes of a clause of a stream until it is judged: it is held (``strict``), or leaves."""
    return str(spec.options.get("stream") or STREAM_MODES[0])
