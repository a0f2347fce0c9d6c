"""Texts with secrets planted in them: every format of the catalogue, what nearly is one, and ways to cut a text."""

from __future__ import annotations

import importlib
import random
import string
from collections.abc import Iterator
from typing import Any

from gateway.core.verdict import Bundle, DetectorSpec, Match, PatternSpec, RuleSpec, Step, When
from gateway.guards.matcher import Matcher
from gateway.guards.validators import CHECKS
from gateway.policy.rulesets import choose, shipped_secrets
from gateway.policy.templates import Templates

_PARSER: Any = importlib.import_module("re._parser")

SECRETS = choose(shipped_secrets())
SAMPLES = {kind.pattern.name: kind.sample for kind in shipped_secrets().kinds}
KEYS = DetectorSpec(name="keys", use="secrets", patterns=SECRETS)
WORDS = DetectorSpec(
    name="words",
    use="pattern",
    patterns=(
        PatternSpec(name="P1", expression=r"(?i)project\s+osprey", label="WORDS", max_chars=45),
        PatternSpec(name="P2", expression=r"(?i)straße[nr]{1,3}", label="STREET", max_chars=9),
        PatternSpec(name="P3", expression=r"(?m)^due: .{1,20}$", label="DUE", max_chars=25),
        PatternSpec(name="P4", expression=r"\bop(?:en|al)\b", label="OP", max_chars=4),
        PatternSpec(name="P5", expression=r"x[yz]{2,4}x", label="XYX", max_chars=6),
        PatternSpec(name="P6", expression=r"日本.", label="JP", max_chars=3),
    ),
)
# One compilation for all tests of a process.
MATCHER = Matcher([KEYS, WORDS])

_WORDS = """
the quick answer is that we deploy on three nodes with 12 steps and a summary of costs in 2026 ask task risk
https://example.com/a/b?q=1 note: see (above) open opening opal project osprey sky skill dapple glad AK eyes gh
straße straßen naïve 日本語 日本 🙂 xyyx xyzzx xyzyzyzx -- --- ----- -----BEGIN BEGIN secret key= token: due: buy
"""
PROSE = _WORDS.split()
NEAR = (
    "550e8400-e29b-41d4-a716-446655440000", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "sk-learn-contrib-projects",
    "ask-me-anything-about-this", "AKIAXXXXXXXXXXXXXXXX", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx", "AKIA1234", "ghp_short",
    "eyJhbGci", "-----BEGIN PRIVATE KEY-----", "hooks.slack.com/services/", "://user", "https://user:pass@host/",
    "postgres://user:${DB_PASSWORD}@host/db", "wb-", "heroku_api_key =", "AccountKey=", "\\n", "%20", "Q~", "?sig=",
)  # fmt: skip
GAPS = (" ", " ", " ", "\n", ", ", ". ", ") ", "] ", "> ", "|", "`", '"', "'", "\n\n", ";", "")
# After any of these, a secret begins a token of its own.
BEFORE = (" ", "\n", "(", '"', "=", ":", "\\n", "%3D", "|", "é", "_", "-", "/")


def sample(random_: random.Random, tree: Any) -> str:
    """Draw a text that an expression matches, from its parse tree."""
    return "".join([_draw(random_, str(op), argument) for op, argument in tree])


def _draw(random_: random.Random, name: str, argument: Any) -> str:
    if name == "LITERAL":
        return chr(argument)
    if name == "IN":
        return random_.choice(_members(argument))
    if name == "BRANCH":
        return sample(random_, random_.choice(argument[1]))
    if name == "SUBPATTERN":
        return sample(random_, argument[3])
    if name == "AT":
        return ""
    low, high, nodes = argument
    return "".join([sample(random_, nodes) for _ in range(random_.randint(low, high))])


def _members(items: Any) -> str:
    members = ""
    for op, argument in items:
        name = str(op)
        if name == "NEGATE":
            return string.ascii_letters + string.digits
        if name == "LITERAL":
            members += chr(argument)
        elif name == "RANGE":
            members += "".join(map(chr, range(argument[0], argument[1] + 1)))
        else:
            members += " "
    return members


def plant(random_: random.Random, spec: PatternSpec) -> tuple[str, str]:
    """Draw a text of a format, and twelve characters of its secret, which must never be seen."""
    tree = _PARSER.parse(spec.expression)
    for turn in range(40):
        # What a name to the left decides is drawn from the format's own sample, and what an expression seldom hits.
        text = sample(random_, tree) if turn < 4 else _written(random_, spec)
        if spec.opens:
            body = "\n".join(["".join(random_.choices(string.ascii_letters + "+/", k=64)) for _ in range(3)])
            text += f"\n{body}\n-----END {spec.closes}"
        hits = [hit for hit in MATCHER.find(text) if hit.detector == "keys"]
        if hits and spec.opens:
            return text, text.splitlines()[-2][:12]
        if hits and hits[0].end - hits[0].start >= 12:
            return text, text[hits[0].end - 12 : hits[0].end]
    raise AssertionError(spec.name)


def _written(random_: random.Random, spec: PatternSpec) -> str:
    text = Templates(str(random_.random())).expand(SAMPLES[spec.name])
    letters = "".join(random_.choices(string.ascii_letters + string.digits, k=12))
    # A longer one than the shortest: what is looked for later must not come about by chance.
    if text.endswith("@"):
        return f"{text[:-1]}{letters}@"
    return text + letters if spec.max_chars < 24 or "PASSWORD" in spec.name else text


def document(random_: random.Random, pieces: int) -> tuple[str, list[str]]:
    """Draw a text of prose, near misses and secrets, and the secrets in it."""
    parts: list[str] = []
    secrets: list[str] = []
    for _ in range(pieces):
        kind = random_.random()
        if kind < 0.12:
            spec = random_.choice(SECRETS)
            text, secret = plant(random_, spec)
            # Some formats never stand inside base64.
            lone = spec.validator and CHECKS[spec.validator].before == "run"
            # What follows must not be a letter or digit: some formats have an exact length.
            parts += (random_.choice(BEFORE[:-3] if lone else BEFORE), text, random_.choice(GAPS[:-1]))
            secrets.append(secret)
        elif kind < 0.22:
            parts += (random_.choice(NEAR), random_.choice(GAPS))
        elif kind < 0.26:
            text, _ = plant(random_, random_.choice(SECRETS))
            parts.append(text[: random_.randint(1, len(text))])
        else:
            parts += (random_.choice(PROSE), random_.choice(GAPS))
    return "".join(parts), secrets


def cuts(random_: random.Random, text: str, low: int, high: int) -> Iterator[str]:
    """Cut a text into pieces of random sizes."""
    at = 0
    while at < len(text):
        size = random_.randint(low, high)
        yield text[at : at + size]
        at += size


def detects(name: str) -> When:
    return When(op="detector", name=name)


def rule(
    when: When | str, action: Any = "redact", mode: Any = "enforce", *, name: str = "", match: Match | None = None
) -> RuleSpec:
    expression = detects(when) if isinstance(when, str) else when
    return RuleSpec(
        id=name or f"{action}-{mode}", match=match or Match(), when=expression, steps=(Step(action=action),), mode=mode
    )


def bundle(*rules: RuleSpec) -> Bundle:
    return Bundle(revision="0123456789ab", detectors=(KEYS, WORDS), rules=rules)
