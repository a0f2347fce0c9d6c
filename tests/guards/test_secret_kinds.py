"""Every kind of the shipped rules: found in all surroundings, and nothing found where there is none."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import re
import sysconfig
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from gateway.core.segments import Span, apply_spans
from gateway.core.verdict import DetectorSpec
from gateway.guards.matcher import Matcher
from gateway.guards.rules import prepare
from gateway.guards.screening import Screening
from gateway.guards.stream import StreamPlan, StreamScreen
from gateway.policy.rulesets import Kind, choose, shipped_secrets
from gateway.policy.templates import Templates
from tests.architecture.sources import ROOT
from tests.guards.planted import MATCHER, cuts, rule

KINDS = shipped_secrets().kinds
PLAN = StreamPlan(Screening(MATCHER, (prepare(rule("keys")),)))
TEXT = (0, "text")
STDLIB = Path(sysconfig.get_path("stdlib"))
# English texts that are too large for the repository, where they are at hand.
PROSE = Path(os.environ.get("WEIGHBRIDGE_PROSE", ROOT.parent / "shared" / "data"))
# In the standard library's own tests stands one password in a URL, which is one.
KNOWN = {("test/test_urllib2net.py", "URL_PASSWORD")}


def named(kind: Kind) -> str:
    return kind.pattern.name


def found(text: str) -> set[str]:
    return {hit.pattern for hit in MATCHER.find(text) if hit.detector == "keys"}


def redacted(text: str) -> str:
    spans = [Span(hit.start, hit.end, f"[{hit.label}]", "r") for hit in MATCHER.find(text) if hit.detector == "keys"]
    return apply_spans(text, spans)


def samples(kind: Kind, count: int = 4) -> list[str]:
    return [Templates(f"{named(kind)}{number}").expand(kind.sample) for number in range(count)]


def in_json(text: str) -> str:
    return orjson.dumps({"id": 7, "note": text, "more": [text]}).decode()


SURROUNDINGS: dict[str, Callable[[str], str]] = {
    "prose": lambda text: f"Please use {text} for it, and tell nobody. Thanks.",
    "code": lambda text: f"def f():\n    value = f({text})\n    return value\n",
    "shell": lambda text: f"$ run --now {text}\n",
    "json": in_json,
    "markdown": lambda text: f"- **Note**: `{text}`\n| a | {text} |\n",
    "html": lambda text: f"<p>{text}</p>",
    "list": lambda text: f"[{text}], ({text}), {text}; {text}|{text}",
    "url": lambda text: f"https://host.example/path?x={text}&y=1#z",
}


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_it_is_found_in_every_surrounding_and_nothing_of_it_is_left(kind: Kind) -> None:
    for name, surround in SURROUNDINGS.items():
        for sample in samples(kind):
            if name == "url" and re.search(r"[\s\"'<>]|://", sample):
                continue
            text = surround(sample)
            assert named(kind) in found(text), name
            secret = sample.rstrip("@=")[-6:].lstrip(":")
            assert secret not in redacted(text), name


@pytest.mark.parametrize("kind", KINDS, ids=named)
def test_it_is_not_found_when_a_character_is_missing_or_wrong(kind: Kind) -> None:
    for sample in samples(kind):
        assert named(kind) not in found(f"use {sample[:-1]} then")
        assert named(kind) not in found(f"use {sample[:-2]}\N{SECTION SIGN}{sample[-1]} then")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.near], ids=named)
def test_what_is_nearly_one_is_none(kind: Kind) -> None:
    for template in kind.near:
        for seed in "abcd":
            assert named(kind) not in found(f"use {Templates(seed + template).expand(template)} then")


# In the others, the fixed part alone is varied enough.
BLANK = [kind for kind in KINDS if kind.pattern.validator not in ("hash", "basic", "") and named(kind) != "JWT"]


@pytest.mark.parametrize("kind", BLANK, ids=named)
def test_a_placeholder_of_one_character_is_none(kind: Kind) -> None:
    text = re.sub(r"\{\{[a-z0-9]+:([0-9]+)\}\}", lambda made: "x" * int(made[1]), kind.sample)
    assert named(kind) not in found(f"use {text} then")


def test_samples_that_documentation_prints_are_left_alone() -> None:
    printed = [sample for kind in KINDS for sample in kind.pattern.allow if not re.search(r"[*?\[]", sample)]
    assert len(printed) >= 10
    for text in printed:
        assert redacted(f"see {text} there") == f"see {text} there"
        assert redacted(f'api_key = "{text}"') == f'api_key = "{text}"'
    assert redacted("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY.").endswith("EXAMPLEKEY.")
    assert redacted("AKIAIOSFODNN7EXAMPLR") == "[AWS_KEY]"


def test_nothing_is_found_in_the_source_of_the_standard_library() -> None:
    hits: set[tuple[str, str]] = set()
    read = 0
    for path in sorted(STDLIB.rglob("*.py")):
        if "site-packages" not in path.parts:
            text = path.read_text("utf-8", "replace")
            read += len(text)
            hits |= {(path.relative_to(STDLIB).as_posix(), name) for name in found(text)}
    assert read > 5_000_000
    assert hits <= KNOWN


def test_nothing_is_found_in_english_prose() -> None:
    if not PROSE.is_dir():
        pytest.skip("no collection of prose here")
    read = 0
    for path in sorted(PROSE.rglob("*")):
        if path.suffix in {".json", ".jsonl", ".csv", ".txt", ".conll", ".yaml"} and read < 3_000_000:
            text = path.read_text("utf-8", "replace")[:400_000]
            read += len(text)
            assert not found(text), path.name
    assert read > 1_000_000


def test_ids_hashes_and_commits_are_no_secrets() -> None:
    source = random.Random(3)
    for _ in range(500):
        data = source.randbytes(24)
        lines = [
            f"id: {uuid.UUID(bytes=data[:16])}",
            f"commit {hashlib.sha1(data, usedforsecurity=False).hexdigest()}",
            f"sha256:{hashlib.sha256(data).hexdigest()}",
            f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}",
            f'"etag": "{hashlib.md5(data, usedforsecurity=False).hexdigest()}", "nonce": "{data.hex()}"',
            f"request_id={data[:12].hex()}&page_token={base64.urlsafe_b64encode(data).decode()}",
            f"v{data[0]}.{data[1]}.{data[2]} +{data[:6].hex()} {int.from_bytes(data[:8], 'big')}",
        ]
        assert redacted("\n".join(lines)) == "\n".join(lines)


def test_images_in_base64_are_no_secrets() -> None:
    source = random.Random(4)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for _ in range(20):
            text = f"data:image/png;base64,{encode(source.randbytes(30_000)).decode()}"
            assert redacted(text) == text


def test_minified_scripts_are_no_secrets() -> None:
    source = random.Random(5)
    words = [
        "token",
        "secret",
        "password",
        "key",
        "apiKey",
        "auth",
        "e",
        "t",
        "n",
        "r",
        "this",
        "void 0",
        "null",
        "!0",
        "1e3",
    ]
    for _ in range(300):
        names = source.choices(words, k=40)
        text = "".join(
            f"{name}{source.choice(['=', ':', '===', '.', '(', '&&', ',', '?'])}{source.choice(words)}"
            f"{source.choice([';', ',', ')', '}', '||', '=>', '.call(this,'])}"
            for name in names
        )
        assert redacted(text) == text


def test_lock_files_are_no_secrets() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert locks
    for path in locks:
        assert not found(path.read_text())


def test_a_policy_may_ask_for_entropy() -> None:
    dull, lively = "ghp_" + "abcd" * 9, "ghp_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA2cD5"
    patterns = choose(shipped_secrets(), kinds=["GITHUB_*"], require=["entropy"])
    asking = Matcher([DetectorSpec(name="d", use="secrets", patterns=patterns)])
    assert found(dull) == found(lively) == {"GITHUB_TOKEN"}
    assert not asking.find(dull)
    assert asking.find(lively)


def streamed(text: str, source: random.Random) -> tuple[str, list[int]]:
    screen = StreamScreen(PLAN, lambda: 0)
    out: list[str] = []
    held: list[int] = []
    fed = released = 0
    for piece in cuts(source, text, 3, 5):
        out.append(screen.feed(TEXT, piece))
        fed += len(piece)
        released += len(out[-1])
        held.append(fed - released)
    return "".join([*out, screen.finish(TEXT)]), held


def test_prose_is_hardly_held_back_by_all_kinds_together() -> None:
    # The language's own manual: prose with names of programs, signs and examples in it.
    prose = (STDLIB / "pydoc_data" / "topics.py").read_text().replace("\\n", " ")[:150_000]
    out, held = streamed(prose, random.Random(1))
    assert out == prose
    assert sum(held) / len(held) <= 4
    assert max(held) <= 64


def test_no_long_key_shows_fourteen_characters_in_any_stream() -> None:
    words = (STDLIB / "pydoc_data" / "topics.py").read_text()[:40_000].split()
    prefixes = ("sk-ant-api03-", "sk-proj-", "github_pat_", "glpat-", "nvapi-", "hvs.", "pypi-Ag", "ATATT3")
    for number in range(1_500):
        source = random.Random(number)
        prefix = source.choice(prefixes)
        body = Templates(str(number)).expand("{{rand:108}}")
        key = (prefix + (body[:22] + "_" + body[23:] if prefix == "github_pat_" else body))[:108]
        at = source.randrange(len(words) - 60)
        left, right = words[at : at + source.randint(0, 25)], words[at + 30 : at + 30 + source.randint(0, 25)]
        out, _ = streamed(f"{' '.join(left)} {key}{source.choice(' ,.)]<|')} {' '.join(right)}", source)
        assert not any(key[place : place + 14] in out for place in range(len(key) - 13)), key[:12]


@pytest.mark.parametrize(
    "text",
    [
        "=a1B2c3D4e5F6g7H8", "api_key=aaaaaaaaaaaaaaaaaaaa ", "://a:b@", "://aaaaaaaaaa:", "sk-aaaaaaaaaaaaaaaaaaaa ",
        "-----BEGIN ", "-u a:aaaaaaaa", "bearer aaaaaaaaaaaaaaaaaaaa ", "MMMMMMMMMM", "1111111111:AA", "5", "$6$a$",
        ":", "password: aaaaaaaa ", "dp.pt.aaaa", "eyJhbGci", "0123456789abcdef", "xoxb-", "LS0tLS1CRUdJTi",
    ],
)  # fmt: skip
def test_candidates_stay_few_in_hostile_text(text: str) -> None:
    short, long = text * (8_000 // len(text)), text * (32_000 // len(text))
    assert len(MATCHER.scan(long)) <= len(long) * 1.1
    assert len(MATCHER.scan(long)) <= 5 * len(MATCHER.scan(short)) + 40


@pytest.mark.parametrize("text", ["eyJhbGciOiJIUzI1NiJ9.", "sk-ant-aB3dE6gH9jK2mN5pQ8rS1tU4-"])
def test_a_text_that_is_nothing_but_beginnings_takes_linear_time(text: str) -> None:
    def measured(size: int) -> float:
        document = text * (size // len(text))
        began = time.process_time()
        assert len(MATCHER.find(document)) == 1
        return (time.process_time() - began) / size

    short = min(measured(10_000) for _ in range(5))
    # Sixteen times as long; were each match followed to the end, a character would cost sixteen times as much.
    assert min(measured(160_000) for _ in range(2)) < 6 * short
