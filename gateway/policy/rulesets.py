"""Rule files of secrets: from YAML to the patterns that a detector looks for.

The shipped file is ``policies/rules/secrets.yaml``; one's own has the same form. What the shipped one says is known
beforehand (:mod:`gateway.policy.secret_rules`), unless it was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from gateway.config.source import Document, NodePath, Problem, load_yaml, read_text
from gateway.config.validation import Many, Strict, suggestion, validated
from gateway.core.pattern_width import PatternRefused, bound_gaps, shape
from gateway.core.verdict import PatternSpec
from gateway.policy.secret_rules import SECRETS, Kind, Rules, known_rules, secrets_path

# What guards can check; they hold the checks themselves.
CHECK_NAMES = frozenset(
    (
        "exact", "word", "wide", "dotted", "path", "teams", "hash", "base64", "numbered", "django", "element", "curl",
        "mixed", "mixed_wide", "made_up", "random_wide", "tail_wide", "lone", "lone_exact", "lone_seed", "lone_wide",
        "last16", "last26", "last32", "last40", "last42", "last43", "last44", "last48", "last64", "last88",
        "last32_url", "last40_url", "basic", "bearer", "url_password", "scheme_password", "assigned_secret",
        "assigned_key", "assigned_password", "assigned_aws", "assigned_curve",
    )
)  # fmt: skip
_NAME = r"^[A-Z][A-Z0-9_]{0,63}$"
# What `require: [entropy]` asks of kinds that ask for less: below it are words, counters and runs of one character.
REQUIRED_BITS = 2.75

Requirement = Literal["prefix", "entropy"]
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class KindSpec(Strict):
    """One kind of secret, as written."""

    id: Annotated[str, Field(pattern=_NAME)]
    label: Annotated[str, Field(pattern=_NAME)] | None = None
    expression: Annotated[str, Field(min_length=1, max_length=4000)]
    check: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,32}$")] | None = None
    entropy: Annotated[float, Field(gt=0, le=6)] | None = None
    allow: Many[Text] = ()
    closes: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    prefix: bool = True
    sample: Text | None = None
    near: Many[Text] = ()


class GroupSpec(Strict):
    """Kinds that belong together, for readers."""

    name: Text
    kinds: Many[KindSpec]


class RulesMetadata(Strict):
    """Who answers for the file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    owner: str = ""
    description: str = ""


class RulesSpec(Strict):
    """The whole of a rule file."""

    api_version: Literal["weighbridge/v1"] = Field(validation_alias="apiVersion")
    kind: Literal["SecretRules"]
    metadata: RulesMetadata
    groups: Many[GroupSpec]


class LoadedRules(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading a rule file; ``rules`` is ``None`` when anything is wrong."""

    rules: Rules | None
    problems: tuple[Problem, ...] = ()


@cache
def shipped_secrets() -> Rules:
    """Return the shipped rules; the same object each time.

    Raises:
        ValueError: The installation is damaged.
    """
    path = secrets_path()
    text, problem = read_text(path, path.name)
    known = known_rules(text)
    if known is not None:
        return known
    loaded = read_rules(text, path.name) if problem is None else LoadedRules(rules=None, problems=(problem,))
    if loaded.rules is None:
        raise ValueError("\n".join(map(str, loaded.problems)))
    return loaded.rules


def rules_named(written: str, name: str, text: str) -> LoadedRules | None:
    """Return what a detector calls its rules.

    Args:
        written: ``secrets`` for the shipped ones, else the file's name.
        name: The file as messages call it; empty when there is none.
        text: What it holds.

    Returns:
        What came of reading it; ``None`` when there is nothing to read.
    """
    if written == SECRETS:
        return LoadedRules(rules=shipped_secrets())
    return _own(text, name) if name else None


def read_rules(text: str, name: str) -> LoadedRules:
    """Read a rule file.

    Args:
        text: The file's text.
        name: The file as messages shall name it.
    """
    checked = validated(RulesSpec, load_yaml(text, name, fast=True))
    problems = list(checked.problems)
    kinds: list[Kind] = []
    if checked.value is not None:
        kinds += _kinds(checked.value, checked.document, problems)
    if not kinds and not problems:
        problems.append(Problem(name, 0, "holds no kinds"))
    if problems or checked.value is None:
        return LoadedRules(rules=None, problems=tuple(sorted(problems, key=lambda problem: problem.line)))
    return LoadedRules(rules=Rules(name=checked.value.metadata.name, kinds=tuple(kinds), text=text))


def choose(
    rules: Rules,
    *,
    kinds: Sequence[str] = (),
    besides: Sequence[str] = (),
    require: Sequence[Requirement] = (),
    allow: Sequence[str] = (),
) -> tuple[PatternSpec, ...]:
    """Return the patterns that a detector asks for.

    Args:
        rules: Of these rules.
        kinds: Globs over their ids; none means all.
        besides: Globs over ids that are left out (``except`` in a policy file).
        require: ``prefix`` leaves out kinds that have no fixed part of their own; ``entropy`` demands of every match
            that it looks random.
        allow: Globs of samples that are left alone, on top of those of the rules.
    """
    return tuple(_chosen(rules, kinds, besides, require, allow))


def unknown(rules: Rules, globs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the globs that no kind matches, which most likely are misspelled, each with a hint."""
    names = [kind.pattern.name for kind in rules.kinds]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            yield glob, suggestion(glob, names)


@lru_cache(maxsize=4)
def _own(text: str, name: str) -> LoadedRules:
    return read_rules(text, name)


def _chosen(
    rules: Rules, kinds: Sequence[str], besides: Sequence[str], require: Sequence[Requirement], allow: Sequence[str]
) -> Iterator[PatternSpec]:
    bits = REQUIRED_BITS if "entropy" in require else 0.0
    # A printed sample next to a name is one still.
    printed = tuple(dict.fromkeys(sample for kind in rules.kinds for sample in kind.pattern.allow))
    for kind in rules.kinds:
        pattern = kind.pattern
        if kinds and not any(fnmatchcase(pattern.name, glob) for glob in kinds):
            continue
        if any(fnmatchcase(pattern.name, glob) for glob in besides) or ("prefix" in require and not kind.prefixed):
            continue
        # What opens a block has nothing of its own that could be random.
        least = pattern.entropy if pattern.opens else max(bits, pattern.entropy)
        samples = (*(pattern.allow if kind.prefixed else printed), *allow)
        yield msgspec.structs.replace(pattern, allow=samples, entropy=least)


def _kinds(spec: RulesSpec, document: Document, problems: list[Problem]) -> Iterator[Kind]:
    places: dict[str, int] = {}
    for number, group in enumerate(spec.groups):
        for index, kind in enumerate(group.kinds):
            path = ("groups", number, "kinds", index)
            if kind.id in places:
                message = f"{kind.id} is there already, on line {places[kind.id]}"
                problems.append(document.problem((*path, "id"), message))
            places.setdefault(kind.id, document.line(path))
            pattern = _pattern(kind, document, path, problems)
            if pattern is not None:
                yield Kind(
                    pattern=pattern, group=group.name, prefixed=kind.prefix, sample=kind.sample or "", near=kind.near
                )


def _pattern(kind: KindSpec, document: Document, path: NodePath, problems: list[Problem]) -> PatternSpec | None:
    if (kind.check is None) == (kind.closes is None):
        problems.append(document.problem(path, f"{kind.id} needs either check or closes"))
        return None
    if kind.check is not None and kind.check not in CHECK_NAMES:
        message = f"there is no check '{kind.check}'{suggestion(kind.check, CHECK_NAMES)}"
        problems.append(document.problem((*path, "check"), message))
        return None
    try:
        longest = shape(kind.expression).longest
    except PatternRefused as refusal:
        problems.append(document.problem((*path, "expression"), str(refusal)))
        return None
    return PatternSpec(
        name=kind.id,
        expression=bound_gaps(kind.expression),
        label=kind.label or kind.id,
        validator=kind.check or "",
        max_chars=longest,
        opens=kind.closes is not None,
        closes=kind.closes or "",
        allow=kind.allow,
        entropy=kind.entropy or 0.0,
    )
