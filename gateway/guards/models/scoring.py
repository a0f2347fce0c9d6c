"""What every model is asked and how it answers: the seam between the models, what runs them, and the rules.

A score alone says nothing: it becomes a verdict at a threshold, and a threshold is taken from the table of how often
benign traffic lies above it (:mod:`gateway.guards.models.calibration`). No threshold is written down in the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from gateway.plugin.guard import About

if TYPE_CHECKING:
    # Left out at run time: rules import this module where no numpy is installed.
    from numpy.typing import NDArray

Tier = Literal["", "ngram", "model", "both", "list"]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How much a stretch of a text looks like something.

    Attributes:
        category: ``injection``, ``instruction``, ``insult``, ``threat``, ``identity_attack``, ``sexual``,
            ``self_harm``, ``violence``, ``PERSON``, ``ADDRESS``, …
        value: 0 to 1, to be compared with the scorer's own :meth:`Scorer.threshold` and with nothing else.
        start: Where the stretch (a window, a sentence, a name) begins, in code points of the text as it was given.
        end: Where it ends.
        tier: What decided: the cheap n-grams alone, the model alone, both, or a list of words.
    """

    category: str
    value: float
    start: int
    end: int
    tier: Tier = ""


class Scorer(Protocol):
    """A model, or several that judge together, with the tables that say what their scores mean."""

    name: str

    async def score(self, texts: Sequence[tuple[str, About]], at: float) -> list[list[Score]]:
        """Score texts.

        Args:
            texts: What to judge, with where each stands.
            at: The threshold in force. Where the cheap tier alone decides against it, the expensive one is not run.

        Returns:
            The scores of each text, for each category the highest first; an empty list where there is nothing to say.

        Raises:
            ModelFailed: A model is missing, is not the one that was built, or broke down.
        """
        ...

    def threshold(self, target_fpr: float, category: str = "") -> float:
        """Return the score that the given share of benign texts reaches or passes.

        Args:
            target_fpr: The share, 0 to 1.
            category: Of which category; empty for the scorer's main one.

        Raises:
            ValueError: There were too few benign texts to measure a share as small as this.
        """
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class Backend(Protocol):
    """Runs models: in this process on a pool of threads, or on a server."""

    async def run(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Run a model over a batch; the names are those of the model's inputs and outputs.

        Raises:
            ModelFailed: It is missing, is not the one that was built, took too long, or broke down.
        """
        ...

    async def run_each(
        self, model: str, windows: Sequence[Mapping[str, NDArray[Any]]]
    ) -> Sequence[Mapping[str, NDArray[Any]]]:
        """Run a model over windows, each a batch of one: what one gives does not depend on its neighbours.

        Raises:
            ModelFailed: See :meth:`run`.
        """
        ...

    async def close(self) -> None:
        """Let go of threads and connections."""
        ...
