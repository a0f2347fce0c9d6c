"""The detectors of one bundle, built: what all plans of an engine share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Protocol, cast

import msgspec

from gateway.core.errors import Misconfigured
from gateway.core.scored import scorer_of
from gateway.core.segments import Direction, Path, pointer
from gateway.core.verdict import Bundle, DetectorSpec, Thresholds
from gateway.guards.detectors.registry import Builder, build, form_of, is_model_alone, runs_as_pattern
from gateway.guards.line import Line
from gateway.guards.matcher import Matcher
from gateway.guards.memo import Memo
from gateway.guards.redaction import REDACT, redact
from gateway.guards.rules import named
from gateway.guards.runner import Holder, Named, Runner
from gateway.guards.scored import Scorers
from gateway.guards.scored import build as build_scored
from gateway.plugin.guard import CallDetector, OutsideDetector, scope_of
from gateway.plugin.runner import DetectorFailed, within

_JUDGE, _JUDGES = "judge", "gateway.guards.detectors.judge"
_IMAGES, _READERS, _NESTED = "image_text", "gateway.guards.detectors.image_text", "gateway.guards.nested"
_DIRECTIONS: tuple[Direction, ...] = ("request", "response")
# Loading a model takes a second; whoever starts does not wait for ever.
_WARM_UP_S = 30.0
_MAX_NAME_CHARS, _MAX_PATH_CHARS = 64, 512


class Judge(msgspec.Struct, frozen=True):
    """A detector that judges a whole request or answer."""

    holder: Holder
    detector: CallDetector
    directions: tuple[Direction, ...]


class Asker(msgspec.Struct, frozen=True):
    """A detector that asks someone else: a service outside, or a model.

    Attributes:
        modelled: It is a model of ours: what it says of a text is remembered, and streams are judged clause by clause.
        beside: It is never asked before a call goes on.
        images: It is asked about images, and about nothing else.
    """

    holder: Holder
    detector: OutsideDetector
    modelled: bool = False
    beside: bool = False
    images: bool = False


class Warming(Protocol):
    """A detector that takes a while to be ready."""

    async def warm(self) -> None:
        """Get ready."""
        ...


class Kit:
    """The detectors that rules of a bundle name. Belongs to one thread.

    Args:
        bundle: Checked by the policy room.
        now_ns: Monotonic clock.
        plugins: Builders of detectors that plugins bring.
        scorers: Give models; one that no detector names is never asked for.
        askers: Those of the kit that this one is the twin of.

    Attributes:
        forms: How each detector runs: ``pattern``, ``piece``, ``text``, ``call``, ``outside``, ``model``, or both of
            two: ``text+model``.
        patience_s: Models may take so long, whatever the policy says: for those who are in no hurry.
        line: The way to the gateway's own models, for judges.
        local: Detectors that find in one text by themselves, whoever else they ask.

    Raises:
        Misconfigured: A detector cannot be built, or a rule names one that there is none of.
    """

    def __init__(
        self,
        bundle: Bundle,
        now_ns: Callable[[], int],
        plugins: Mapping[str, Builder] | None = None,
        scorers: Scorers | None = None,
        askers: dict[str, Asker] | None = None,
    ) -> None:
        wanted = {name for spec in bundle.rules for name in named(spec.when)}
        known = {detector.name for detector in bundle.detectors}
        if missing := sorted(wanted - known):
            raise Misconfigured(f"A rule names detectors that there are none of: {', '.join(missing)}.")
        self.bundle = bundle
        self.now_ns = now_ns
        self.specs = tuple(detector for detector in bundle.detectors if detector.name in wanted)
        self.matcher = Matcher([spec if runs_as_pattern(spec) else _without_patterns(spec) for spec in self.specs])
        self.memo = Memo()
        self.forms: dict[str, str] = {}
        self.runners: tuple[Runner, ...] = ()
        self.judges: dict[str, Judge] = {}
        self.askers: dict[str, Asker] = {}
        self.local: frozenset[str] = frozenset()
        self.line = Line()
        self.patience_s = 0.0
        self._scorers = scorers
        self._given = askers
        for number, spec in enumerate(self.specs):
            self._take(number, spec, plugins)
        self._plugins = plugins
        self._twin: Kit | None = None
        self._everything = dict.fromkeys(range(len(self.specs)), REDACT)

    def thresholds(self, direction: Direction) -> Thresholds:
        """Return what sums of points lead to."""
        return self.bundle.request_scoring if direction == "request" else self.bundle.response_scoring

    def whole(self, name: str, direction: Direction) -> bool:
        """Say whether a detector judges requests, or answers, as a whole."""
        judge = self.judges.get(name)
        return name in self.askers or (judge is not None and direction in judge.directions)

    def judges_of(self, direction: Direction) -> dict[str, Judge]:
        """Return the detectors that judge requests, or answers, as a whole."""
        return {name: judge for name, judge in self.judges.items() if direction in judge.directions}

    def shown(self, path: Path) -> str:
        """Show a path; a member's name on the way to a hit may itself be a secret."""
        names = [
            redact(step, self.matcher.covers(step), self._everything)[:_MAX_NAME_CHARS]
            if isinstance(step, str)
            else step
            for step in path
        ]
        return pointer(tuple(names))[:_MAX_PATH_CHARS]

    def twin(self) -> Kit:
        """The same detectors for another thread, which is the one to call this."""
        if self._twin is None:
            self._twin = Kit(self.bundle, self.now_ns, self._plugins, askers=self.askers)
        return self._twin

    async def warm(self) -> dict[str, str]:
        """Load the models that rules ask, and say of which detectors they cannot be asked, and why."""
        failed: dict[str, str] = {}
        for name, asker in self.askers.items():
            if asker.modelled or asker.images:
                try:
                    await within(cast("Warming", asker.detector).warm(), _WARM_UP_S)
                except DetectorFailed as refused:
                    failed[name] = refused.reason
        return failed

    async def close(self) -> None:
        """Let go of what outside detectors hold."""
        for asker in self.askers.values():
            await asker.detector.close()

    def _take(self, number: int, spec: DetectorSpec, plugins: Mapping[str, Builder] | None) -> None:
        rank = self.matcher.ranks + number
        form = self._take_local(number, rank, spec, plugins)
        self.forms[spec.name] = form
        if scorer_of(spec):
            self.local |= {spec.name} if form else frozenset[str]()
            self.forms[spec.name] = f"{form}+model" if form else "model"
            if self._given is not None:
                self.askers[spec.name] = self._given[spec.name]
            elif (scored := build_scored(spec, self._scorers)) is not None:
                self.askers[spec.name] = Asker(Holder(spec, number, rank), scored, modelled=True)

    def _take_local(self, number: int, rank: int, spec: DetectorSpec, plugins: Mapping[str, Builder] | None) -> str:
        """Take the part of a detector that asks no model, and say what form it has; empty when there is none."""
        if runs_as_pattern(spec):
            return "pattern"
        if is_model_alone(spec):
            return ""
        if spec.use == _JUDGE:
            build_judge: Callable[[DetectorSpec, Line], OutsideDetector] = import_module(_JUDGES).build
            self.askers[spec.name] = (self._given or {}).get(spec.name) or Asker(
                Holder(spec, number, rank), build_judge(spec, self.line), beside=True
            )
            return _JUDGE
        if spec.use == _IMAGES:
            self.askers[spec.name] = (self._given or {}).get(spec.name) or Asker(
                Holder(spec, number, rank), self._reads_images(spec), beside=True, images=True
            )
            return _JUDGE
        detector = build(spec, plugins)
        if detector is None:
            # There is nothing that it could find.
            return "pattern"
        form = form_of(detector)
        directions = scope_of(detector).directions
        if form in ("piece", "text"):
            runner = Runner(Named(number, rank, spec, form, detector), self.bundle.max_chars, self.memo)
            self.runners = (*self.runners, runner)
            judged: tuple[Direction, ...] = tuple(each for each in _DIRECTIONS if each not in directions)
            directions = judged
        if form == "outside":
            self.askers[spec.name] = Asker(Holder(spec, number, rank), cast("OutsideDetector", detector))
        elif callable(getattr(detector, "judge", None)):
            self.judges[spec.name] = Judge(Holder(spec, number, rank), cast("CallDetector", detector), directions)
        return form

    def _reads_images(self, spec: DetectorSpec) -> OutsideDetector:
        nested: Any = import_module(_NESTED).Nested
        builder: Any = import_module(_READERS).build
        return builder(spec, partial(nested, self.bundle, self.now_ns, self._scorers))


def _without_patterns(spec: DetectorSpec) -> DetectorSpec:
    return msgspec.structs.replace(spec, patterns=())
