"""Calls of a live gateway, judged once more: policies say of what was recorded what they say of the call itself."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from gateway.app.policies import InForce, load_policies
from gateway.app.recorded_calls import call_of, line_of
from gateway.app.rejudging import Rejudge
from gateway.app.replay_pool import replay
from gateway.app.replay_tally import Tally, as_then
from gateway.app.replaying import Terms
from gateway.wire.openai_responses import merge
from tests.support.gateway_run import Gateway, ask, running, until
from tests.support.openai_script import END, EVENTS_HEAD, piece, stream
from tests.support.provider import Asked, Step, chunk, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers: {{p: {{kind: openai, base_url: "http://127.0.0.1:{port}/v1", api_key: env:THE_KEY}}}}
    models: [{{alias: m, candidates: [{{provider: p, model: small}}]}}]
    capture: {{bodies: {bodies}}}
    policies: {{bundle: [ours.yaml]}}
"""
# MODE is how seriously all but one of the rules are taken.
POLICY = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: ours}
detectors:
  keys: {use: secrets}
  ids: {use: pii, entities: [EMAIL, IBAN]}
  osprey: {use: pattern, patterns: ["osprey"]}
  heron: {use: pattern, patterns: ["heron"]}
  crane: {use: pattern, patterns: ["crane"]}
  stork: {use: pattern, patterns: ["stork"]}
  goose: {use: pattern, patterns: ["goose"]}
  links: {use: url_egress, allow: [acme.example]}
scoring: {request: {annotate: 3, block: 5}, response: {annotate: 2, block: 9}}
rules:
  - {id: no-osprey, match: {direction: request}, when: osprey, do: block, mode: MODE}
  - {id: no-heron, match: {direction: response}, when: heron, do: block, mode: MODE}
  - {id: no-keys, match: {direction: [request, response]}, when: keys, do: redact, mode: MODE}
  - {id: ids-out, match: {direction: request, role: user}, when: ids, do: {mask: {restore_in: []}}, mode: MODE}
  - {id: crane-out, match: {direction: response}, when: crane, do: redact, mode: MODE}
  - {id: crane-and-stork, match: {direction: response}, when: crane and stork, do: annotate, mode: MODE}
  - {id: stork-score, match: {direction: [request, response]}, when: stork, do: {score: 2}, mode: MODE}
  - {id: goose-seen, match: {direction: [request, response], stream: true}, when: goose, do: annotate, mode: MODE}
  - {id: goose-canary, when: goose, do: annotate, mode: {canary: 50%, sticky_by: session, rest: audit}}
  - {id: exfil, match: {direction: response}, when: links, do: {rewrite: text_only}, mode: MODE}
  - {id: taints, match: {direction: request}, when: stork and goose, do: {taint: session}, mode: MODE}
  - {id: tainted, match: {direction: response, tainted: true}, when: goose, do: redact, mode: MODE}
"""
KEY = "ghp_" + "0123456789abcdefABCDEF" + "0123456789abcd"
WORDS = (
    "crane", "stork", "goose", "write to anna.smith@acme.example", f"use {KEY}", "the", "a", "of", "and", "to", "in",
    "see [this](https://evil.example/a?b=c)", "![](https://evil.example/p.png)",
)  # fmt: skip
RARE = ("osprey", "heron")
COUNT = 60


def text_of(seed: int) -> str:
    rng = random.Random(seed)
    words = rng.choices(WORDS, k=rng.randint(1, 4))
    if seed % 6 == 0:
        words.insert(rng.randint(0, len(words)), rng.choice(RARE))
    return " ".join(words)


def provider(asked: Asked) -> list[Step]:
    """Says something that depends on the number in the question alone."""
    document = orjson.loads(asked.body)
    number = int(asked.body.partition(b"call ")[2].split()[0])
    said = text_of(1000 + number)
    if "input" in document:
        return responses(said, streams=document["stream"])
    if not document.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}
        body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small", "usage": usage}
        return [whole(orjson.dumps(body | {"choices": [choice]}))]
    cuts = [said[at : at + 3] for at in range(0, len(said), 3)]
    return stream(*[piece({"content": each}) for each in cuts], piece({}, "stop"))


def responses(said: str, *, streams: bool) -> list[Step]:
    part = {"type": "output_text", "text": said, "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 8, "output_tokens": 2, "total_tokens": 10}
    body = {"id": "resp_1", "object": "response", "created_at": 1, "model": "small", "status": "completed"}
    document = body | {"output": [item], "usage": usage}
    if not streams:
        return [whole(orjson.dumps(document))]
    return [EVENTS_HEAD, chunk(merge.restream(document)), END]


def asked(number: int) -> tuple[str, dict[str, Any], dict[str, str]]:
    """A request in one of the dialects, whole or as a stream, in one of a few sessions."""
    text, streams = f"call {number} {text_of(number)}", number // 5 % 2 == 1
    turn = {"role": "user", "content": text}
    verb = "streamGenerateContent?alt=sse" if streams else "generateContent"
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/v1/chat/completions", {"model": "m", "messages": [turn], "stream": streams}),
        ("/v1/messages", {"model": "m", "max_tokens": 500, "messages": [turn], "stream": streams}),
        ("/v1/responses", {"model": "m", "input": text, "stream": streams}),
        (f"/v1beta/models/m:{verb}", {"contents": [{"role": "user", "parts": [{"text": text}]}]}),
        ("/v1/chat/completions", {"model": "m", "messages": [turn], "stream": streams}),
    )
    path, document = kinds[number % 5]
    return path, document, {"x-weighbridge-session": f"s{number % 7}"}


class Recorded:
    """The lines of some calls in their order, and the policies that they were under."""

    def __init__(self, policies: InForce, lines: list[bytes]) -> None:
        self.policies = policies
        self.lines = lines


def record(folder: Path, port: int, mode: str, bodies: str) -> Recorded:
    (folder / "policies").mkdir(parents=True)
    path = folder / "policies" / "ours.yaml"
    path.write_text(POLICY.replace("MODE", mode))
    with running(folder, config=CONFIG.format(port=port, bodies=bodies), THE_KEY="sk-1") as gateway:
        ids = [call(gateway, number) for number in range(COUNT)]
        known = until(lambda: found if set(ids) <= (found := spooled(gateway)).keys() else None)
    return Recorded(load_policies((("policies/ours.yaml", path),)), [known[each] for each in ids])


def spooled(gateway: Gateway) -> dict[str, bytes]:
    return {line["id"]: orjson.dumps(line) for line in gateway.spooled()}


def call(gateway: Gateway, number: int) -> str:
    path, document, headers = asked(number)
    return ask(gateway.port, path, document, timeout_s=60.0, **headers).id


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    with provider_in_thread(provider) as serving:
        yield serving.port


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Recorded:
    """Rules only observe, so that all bodies are whole."""
    return record(tmp_path_factory.mktemp("audited"), upstream, "audit", "redacted")


@pytest.fixture(scope="module")
def enforced(tmp_path_factory: pytest.TempPathFactory, upstream: int) -> Recorded:
    """The same calls, and rules act."""
    return record(tmp_path_factory.mktemp("enforced"), upstream, "enforce", "redacted")


def replayed(lines: list[bytes], old: InForce, new: InForce) -> Tally:
    return replay(lines, old, new, Terms(), 1, lambda more: None).tally


def test_the_same_policies_say_the_same_of_every_call(audited: Recorded):
    tally = replayed(audited.lines, audited.policies, audited.policies)
    assert (tally.replayed, tally.as_recorded, tally.not_as_recorded) == (COUNT, COUNT, 0)
    assert (tally.newly_blocked, tally.newly_edited, tally.newly_allowed, tally.changed) == (0, 0, 0, 0)


def test_changed_policies_say_what_they_say_of_the_calls_themselves(audited: Recorded, enforced: Recorded):
    rejudge = Rejudge(enforced.policies.engine)
    verdicts: Counter[str] = Counter()
    for before, after in zip(audited.lines, enforced.lines, strict=True):
        call, live = call_of(line_of(before)), line_of(after)
        said = asyncio.run(rejudge.judge(call))
        then = msgspec.structs.replace(
            call, verdict=live.verdict, events=live.guard_events or [], coverage=live.coverage
        )  # fmt: skip
        assert as_then(then, said), (call.dialect.name, call.streamed, live.verdict, said.verdict)
        verdicts[said.verdict] += 1
    assert verdicts.keys() == {"allow", "annotate", "edit", "block"}
    tally = replayed(audited.lines, audited.policies, enforced.policies)
    assert (tally.newly_blocked, tally.newly_edited, tally.newly_allowed) == (verdicts["block"], verdicts["edit"], 0)


def test_what_was_taken_out_is_not_judged_again_by_rules_that_have_changed(enforced: Recorded):
    same = replayed(enforced.lines, enforced.policies, enforced.policies)
    kept = COUNT - same.left_out.get("blocked", 0)
    assert (same.replayed, same.changed, same.not_as_recorded) == (kept, 0, 0)
    assert (same.carried + same.as_recorded, same.carried > 0) == (kept, True)
