"""From checked policy files to the bundle that guards apply, and to the tests that the bundle must pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from gateway.config.source import Document, NodePath, Problem
from gateway.config.validation import suggestion
from gateway.core.pattern_width import PatternRefused, bound_gaps, shape
from gateway.core.secret_patterns import SECRETS
from gateway.core.segments import Direction
from gateway.core.verdict import Action, Bundle, DetectorSpec, Globs, Match, PatternSpec, RuleSpec, Step
from gateway.policy.expression import detectors_of, finds_something
from gateway.policy.model import DetectorSpecification, MatchSpec, PolicySpec, RuleSpecification, TestSpec
from gateway.policy.templates import Templates

_WORDS = frozenset({"and", "or", "not"})


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle: its text, and what was read from it.

    Attributes:
        rule_ids: Every rule's id as written; one that is wrong in itself still exists for tests that name it.
    """

    text: str
    document: Document
    spec: PolicySpec
    rule_ids: frozenset[str]


class PolicyTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a policy file, templates expanded.

    Attributes:
        file: Where it stands.
        line: The same.
        direction: Which guards it goes through.
        role: Who wrote the text.
        text: The whole text.
        stream: The pieces in which it arrives, when it is a stream; they join to ``text``.
        action: What must come of it; ``None`` when the test does not say.
        rule: The rule that must do it, or empty.
        output: The text that must be left, or ``None``.
    """

    file: str
    line: int
    name: str
    direction: Direction
    role: str
    text: str
    stream: tuple[str, ...] = ()
    action: Action | None = None
    rule: str = ""
    output: str | None = None


class Compiled(msgspec.Struct, kw_only=True):
    """What came of compiling; ``bundle`` is fit for use only when there is no problem."""

    bundle: Bundle
    tests: tuple[PolicyTest, ...]
    problems: list[Problem]


def revision_of(texts: Iterable[str]) -> str:
    """Digest the sources of a bundle, in order: 12 hexadecimal digits."""
    digest = hashlib.sha256()
    for text in texts:
        source = text.encode()
        # The length keeps two files apart from one that holds both.
        digest.update(len(source).to_bytes(8, "big"))
        digest.update(source)
    return digest.hexdigest()[:12]


def compile_bundle(files: Sequence[PolicyFile]) -> Compiled:
    """Compile the files of a bundle.

    Args:
        files: In the order in which the configuration names them.
    """
    compiler = _Compiler()
    for file in files:
        compiler.take(file)
    for file in files:
        compiler.take_tests(file)
    bundle = Bundle(
        revision=revision_of(file.text for file in files),
        detectors=tuple(compiler.detectors.values()),
        rules=tuple(compiler.rules),
    )
    return Compiled(bundle=bundle, tests=tuple(compiler.tests), problems=compiler.problems)


class _Compiler:
    """Collects detectors, rules, tests and problems over the files of a bundle."""

    def __init__(self) -> None:
        self.detectors: dict[str, DetectorSpec] = {}
        self.rules: list[RuleSpec] = []
        self.tests: list[PolicyTest] = []
        self.problems: list[Problem] = []
        self._rule_ids: set[str] = set()
        self._places: dict[tuple[str, str], Problem] = {}

    def take(self, file: PolicyFile) -> None:
        """Compile a file's detectors and rules."""
        self._rule_ids |= file.rule_ids
        for name, spec in file.spec.detectors.items():
            self._take_detector(file, name, spec)
        for index, spec in enumerate(file.spec.rules):
            self._take_rule(file, index, spec)

    def take_tests(self, file: PolicyFile) -> None:
        """Compile a file's tests, which may name rules of every file."""
        for index, spec in enumerate(file.spec.tests):
            self._take_test(file, index, spec)

    def _problem(self, file: PolicyFile, path: NodePath, message: str) -> None:
        self.problems.append(file.document.problem(path, message))

    def _first(self, file: PolicyFile, kind: str, name: str, path: NodePath) -> bool:
        place = self._places.get((kind, name))
        if place is None:
            self._places[kind, name] = file.document.problem(path, "")
            return True
        self._problem(file, path, f"{kind} '{name}' is there already, at {place.file}:{place.line}")
        return False

    def _take_detector(self, file: PolicyFile, name: str, spec: DetectorSpecification) -> None:
        path = ("detectors", name)
        if name in _WORDS:
            self._problem(file, path, f"'{name}' is a word of the expression language")
        patterns = SECRETS if spec.use == "secrets" else tuple(self._patterns(file, name, spec))
        detector = DetectorSpec(name=name, use=spec.use, patterns=patterns)
        # Two files may both say `keys: {use: secrets}`; they mean the same.
        if self.detectors.get(name) != detector and self._first(file, "detector", name, path):
            self.detectors[name] = detector

    def _patterns(self, file: PolicyFile, name: str, spec: DetectorSpecification) -> Iterable[PatternSpec]:
        label = name.upper().replace("-", "_")
        for index, expression in enumerate(spec.patterns):
            path = ("detectors", name, "patterns", index)
            try:
                longest = shape(expression).longest
            except PatternRefused as refusal:
                self._problem(file, path, str(refusal))
                continue
            own_name = label if len(spec.patterns) == 1 else f"{label}_{index + 1}"
            yield PatternSpec(name=own_name, expression=bound_gaps(expression), label=label, max_chars=longest)

    def _take_rule(self, file: PolicyFile, index: int, spec: RuleSpecification) -> None:
        path = ("rules", index)
        if not self._first(file, "rule", spec.id, (*path, "id")):
            return
        # As written: a detector that is wrong in itself has been reported, and still exists for those who name it.
        known = {str(where[1]) for where in file.document.lines if len(where) == 2 and where[0] == "detectors"}
        for name in dict.fromkeys(detectors_of(spec.when)):
            if name not in known:
                message = f"no detector of this file is named '{name}'{suggestion(name, known)}"
                self._problem(file, (*path, "when"), message)
        if spec.do == "redact" and not finds_something(spec.when):
            self._problem(file, (*path, "when"), "redact needs a hit to redact; this also holds when nothing was found")
        self.rules.append(
            RuleSpec(
                id=spec.id,
                match=_match(spec.match),
                when=spec.when,
                steps=(Step(action=spec.do),),
                mode=spec.mode,
            )
        )

    def _take_test(self, file: PolicyFile, index: int, spec: TestSpec) -> None:
        path = ("tests", index)
        self._first(file, "test", spec.name, (*path, "name"))
        expect, given = spec.expect, spec.given
        if expect.rule is not None and expect.rule not in self._rule_ids:
            message = f"no rule is named '{expect.rule}'{suggestion(expect.rule, self._rule_ids)}"
            self._problem(file, (*path, "expect", "rule"), message)
        templates = Templates(spec.name)
        try:
            pieces = tuple(templates.expand(piece) for piece in (given.stream or (given.text or "",)))
        except ValueError as error:
            self._problem(file, (*path, "given"), str(error))
            return
        role = given.role or "assistant"
        self.tests.append(
            PolicyTest(
                file=file.document.name,
                line=file.document.line(path),
                name=spec.name,
                direction="response" if role == "assistant" else "request",
                role=role,
                text="".join(pieces),
                stream=pieces if given.stream else (),
                action=expect.action,
                rule=expect.rule or "",
                output=expect.output,
            )
        )


def _match(spec: MatchSpec) -> Match:
    return Match(
        direction=spec.direction,
        role=Globs(include=spec.role),
        route=Globs(include=spec.route),
        model=Globs(include=spec.model),
        provider=Globs(include=spec.provider),
        team=Globs(include=spec.team),
    )
