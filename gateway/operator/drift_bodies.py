"""What the operator and the program that reads bodies say to each other."""

from __future__ import annotations

import msgspec

# What asks for what was made of the bodies so far: with embeddings, and without.
ASK, ASK_WITHOUT = b"\n", b"-\n"
ASKING = frozenset((ASK, ASK_WITHOUT))


class Body(msgspec.Struct, frozen=True):
    """A call of the sample: its bodies as they were captured, and whether its provider says that the model said no."""

    dialect: str = ""
    request: str = ""
    response: str = ""
    told: bool = False


class Read(msgspec.Struct):
    """What was read of some bodies; fields are those of :class:`gateway.core.drift_hours.Hour`."""

    questions: int = 0
    answers: int = 0
    worded_refusals: int = 0
    question_languages: dict[str, int] = {}
    answer_languages: dict[str, int] = {}
    embedded: int = 0
    embedding: list[float] = []
    # Why nothing was embedded.
    unembedded: str = ""
