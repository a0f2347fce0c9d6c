"""Calls are copied to another deployment by the gateway in processes of its own: seen from outside, and never felt."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway_run import Gateway, environment, running, until
from tests.support.provider import END, EVENTS, Asked, Step, chunk, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      mine: {{kind: openai, base_url: "http://127.0.0.1:{mine}/v1"}}
      theirs: {{kind: anthropic, base_url: "http://127.0.0.1:{theirs}", api_key: env:THEIR_KEY}}
    models:
      - alias: m
        candidates: [{{provider: mine, model: small}}]
        mirror: {{to: theirs/large, sample: 100%, concurrency: 1, queue: {queue}}}
    identity:
      mode: keys
      keys: [{{id: ann, key: env:ANN, team: blue}}]
    limits:
      - {{scope: key, requests: {{max: 3, per: hour}}}}
    capture: {{bodies: redacted}}
    prices: {{overrides: prices.yaml}}
    policies: {{bundle: [masks.yaml], reload: 200ms}}
    drain_timeout: 5s
"""
PRICES = """
- {provider: mine, model: small, input: 1.0, output: 2.0}
- {provider: theirs, model: large, input: 3.0, output: 4.0}
"""
MASKS = """
apiVersion: weighbridge/v1
kind: Policy
metadata: {name: masks}
detectors:
  mail: {use: pii, entities: [EMAIL]}
rules:
  - id: mask-mail
    match: {direction: request}
    when: mail
    do: {mask: {restore_in: [assistant_text]}}
    mode: enforce
"""
KEY = "wb-ann-0123456789abcdef0123456789abcdef"
USAGE = {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}


def mine(asked: Asked) -> list[Step]:
    """Repeats what it is told."""
    document = orjson.loads(asked.body)
    text = document["messages"][-1]["content"]
    if not document.get("stream"):
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return [whole(orjson.dumps({"id": "1", "model": "small", "choices": choices, "usage": USAGE}))]
    said = {"id": "1", "model": "small", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    used = {"id": "1", "model": "small", "choices": [], "usage": USAGE}
    lines = [b"data: " + orjson.dumps(each) + b"\n\n" for each in (said, used)]
    return [EVENTS, *map(chunk, lines), chunk(b"data: [DONE]\n\n"), END]


class Theirs:
    """Repeats what it is told as well, in its own dialect; when it is let."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()

    def __call__(self, asked: Asked) -> list[Step]:
        if not self.open.is_set():
            # Longer than any test, unless the gateway goes away.
            return [600.0]
        document = orjson.loads(asked.body)
        text = document["messages"][-1]["content"]
        text = text if isinstance(text, str) else text[0]["text"]
        usage = {"input_tokens": 9, "output_tokens": 3}
        head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "large", "stop_sequence": None}
        if not document.get("stream"):
            content = [{"type": "text", "text": text}]
            return [whole(orjson.dumps({**head, "content": content, "stop_reason": "end_turn", "usage": usage}))]
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**head, "content": [], "stop_reason": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
            {"type": "message_stop"},
        ]
        written = [b"event: %b\ndata: %b\n\n" % (each["type"].encode(), orjson.dumps(each)) for each in events]
        return [EVENTS, *map(chunk, written), END]


def ask(gateway: Gateway, text: str, *, stream: bool = False) -> Any:
    from_ann = {"authorization": f"Bearer {KEY}"}
    return gateway.chat("m", text, stream=stream, **from_ann)


def told(gateway: Gateway) -> dict[str, Any]:
    (found,) = gateway.ask_operator("/api/deployments").json()["mirrors"] or [{}]
    return found


def two_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return rows if len(rows) == 2 else None


def prepared(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "masks.yaml").write_text(MASKS)


def command(gateway: Gateway, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *arguments, "--operator", f"127.0.0.1:{gateway.operator['port']}"],
        cwd=gateway.home.parent, env=environment(gateway.home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_copies_are_compared_recorded_and_paid_apart(tmp_path: Path) -> None:
    prepared(tmp_path)
    with (
        provider_in_thread(mine) as here,
        provider_in_thread(Theirs()) as there,
        running(
            tmp_path, operator=True, config=CONFIG.format(mine=here.port, theirs=there.port, queue=8),
            THEIR_KEY="sk-theirs", ANN=KEY,
        ) as gateway,
    ):  # fmt: skip
        whole_, streamed = ask(gateway, "write to ann@one.example"), ask(gateway, "hello", stream=True)
        assert (whole_.status, streamed.status) == (200, 200)
        assert whole_.json()["choices"][0]["message"]["content"].startswith("write to ")
        until(lambda: told(gateway).get("answered") == 2)
        assert told(gateway)["same"] == {"text": 2, "tools": 2, "finish": 2}
        # In its own dialect, with its own key, and with what was masked masked.
        sent = [each.body for each in there.asked]
        assert all(b"ann@one.example" not in body for body in sent)
        assert [(each.path, each.headers["x-api-key"]) for each in there.asked] == [("/v1/messages", "sk-theirs")] * 2
        rows = until(lambda: two_of(gateway.sql("SELECT * FROM mirrors ORDER BY started_at")))
        assert {row["mirror_of"] for row in rows} == {whole_.id, streamed.id}
        assert {(row["deployment"], row["real_deployment"]) for row in rows} == {("theirs/large", "mine/small")}
        assert {(row["cost_nanousd"], row["real_cost_nanousd"]) for row in rows} == {(39_000, 12_000)}
        kinds = gateway.sql("SELECT kind, count() AS n FROM attempts GROUP BY kind ORDER BY kind")
        assert {row["kind"]: row["n"] for row in kinds} == {"first": 2, "mirror": 2}
        spent = gateway.ask_operator("/api/spend?by=team&since=1h").json()["rows"]
        assert {row["team"]: row["cost_nanousd"] for row in spent} == {"blue": 24_000, "": 78_000}
        assert "weighbridge=mirror" in command(gateway, "spend", "--by", "tag")
        for one in (whole_.id, rows[0]["exchange_id"]):
            shown = command(gateway, "traces", "show", one)
            assert "mirrors" in shown
            assert "theirs/large" in shown
        # Nothing of what was masked is kept, and no exchange of a client's was counted for a copy.
        assert "ann@one.example" not in orjson.dumps(gateway.spooled()).decode()
        pair = 'alias="m",to="theirs/large"'
        until(lambda: gateway.metric(f'weighbridge_mirrors_total{{{pair},outcome="answered"}}') == 2)
        assert gateway.metric(f"weighbridge_mirror_cost_nanousd_total{{{pair}}}") == 78_000
        assert gateway.metric('weighbridge_attempts_total{provider="theirs",kind="mirror",outcome="ok"}') == 2
        served = [line for line in gateway.ask_operator("/metrics").body.decode().splitlines()
                  if line.startswith("weighbridge_exchanges_total") and 'provider="theirs"' in line]  # fmt: skip
        assert served == []
        # Two calls and two copies: of three calls an hour one is left.
        assert [ask(gateway, "hello").status for _ in range(2)] == [200, 429]
        assert gateway.stop() == 0


def test_copies_end_with_a_reload_and_with_the_gateway(tmp_path: Path) -> None:
    prepared(tmp_path)
    theirs = Theirs()

    def counted(gateway: Gateway) -> dict[str, Any]:
        (found,) = gateway.counts()["mirrors"]
        return found

    def copies(gateway: Gateway) -> list[dict[str, Any]]:
        return [each for each in gateway.spooled() if each["tags"].get("weighbridge") == "mirror"]

    with (
        provider_in_thread(mine) as here,
        provider_in_thread(theirs) as there,
        running(
            tmp_path,
            config=CONFIG.format(mine=here.port, theirs=there.port, queue=1).replace("max: 3", "max: 90"),
            THEIR_KEY="sk-theirs", ANN=KEY,
        ) as gateway,
    ):  # fmt: skip
        theirs.open.clear()
        ids = [ask(gateway, f"call {number}").id for number in range(3)]
        until(lambda: counted(gateway).get("dropped") == 1)
        assert (counted(gateway)["running"], counted(gateway)["waiting"]) == (1, 1)
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: counted(gateway).get("stopped") == 2)
        assert (counted(gateway)["running"], counted(gateway)["waiting"]) == (0, 0)
        (ended,) = copies(gateway)
        assert (ended["error_code"], ended["mirrors"][0]["mirror_of"]) == ("draining", ids[0])
        # The next one is stopped by the end of the gateway, long before its own time is up.
        assert ask(gateway, "the last").status == 200
        until(lambda: len(there.asked) == 2)
        assert gateway.stop() == 0
        assert [each["error_code"] for each in copies(gateway)] == ["draining", "draining"]
