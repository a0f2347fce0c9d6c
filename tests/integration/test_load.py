"""The gateway in a process of its own, over servers that say how busy they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.gateway_run import Gateway, running, until
from tests.support.provider import Asked, Step, whole
from tests.support.provider_thread import provider_in_thread
from tests.support.server_metrics import SGLANG, VLLM

pytestmark = pytest.mark.integration

CONFIG = """
    version: 1
    providers:
      vllm: {{kind: openai, base_url: "http://127.0.0.1:{vllm}/v1",
             load: {{kind: vllm, url: "http://127.0.0.1:{vllm}/metrics", every: 100ms}}}}
      sglang: {{kind: openai, base_url: "http://127.0.0.1:{sglang}/v1",
               load: {{kind: sglang, url: "http://127.0.0.1:{sglang}", every: 100ms}}}}
    models:
      - alias: m
        candidates: [{{provider: vllm, model: m}}, {{provider: sglang, model: m}}]
        strategy: least_busy
    capture: {{bodies: none}}
"""
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class Server:
    """Plays a model server: its metrics, and chat."""

    def __init__(self, name: str, metrics: bytes) -> None:
        self.name = name
        self.metrics = metrics
        self.chats = 0

    def __call__(self, asked: Asked) -> list[Step]:
        if asked.path == "/metrics":
            return [whole(self.metrics, "200 OK" if self.metrics else "500 Broken", b"content-type: text/plain\r\n")]
        self.chats += 1
        choice = {"index": 0, "message": {"role": "assistant", "content": self.name}, "finish_reason": "stop"}
        return [whole(orjson.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": USAGE}))]


def deployments(gateway: Gateway) -> dict[str, Any]:
    found = gateway.ask_operator("/api/deployments").json()["deployments"]
    return {each["provider"]: each for each in found}


def test_calls_go_where_a_server_has_room(tmp_path: Path) -> None:
    vllm, sglang = Server("vllm", VLLM), Server("sglang", SGLANG)
    with provider_in_thread(vllm) as one, provider_in_thread(sglang) as other:
        config = CONFIG.format(vllm=one.port, sglang=other.port)
        with running(tmp_path, operator=True, config=config) as gateway:
            assert gateway.chat("m").status == 200
            until(lambda: [each["queue"] for each in deployments(gateway).values()] == [7.0, 3.0])
            # The first call may have come before anything was known.
            first, before = vllm.chats, sglang.chats
            for _ in range(10):
                assert gateway.chat("m").status == 200
            # 15 calls and half its memory, against 38 calls and a longer queue.
            assert sglang.chats == before
            told = until(lambda: found if (found := deployments(gateway))["vllm"]["calls"] == first + 10 else None)
            assert {key: told["vllm"][key] for key in ("load", "queue", "running", "kv_use")} == {
                "load": 0.875, "queue": 3.0, "running": 12.0, "kv_use": 0.5,
            }  # fmt: skip
            assert gateway.metric('weighbridge_deployment_load{provider="vllm",model="m"}') == 0.875
            assert gateway.metric('weighbridge_deployment_queue{provider="sglang",model="m"}') == 7.0
            assert gateway.metric('weighbridge_deployment_running{provider="sglang",model="m"}') == 31.0
            # The tables turn.
            vllm.metrics, sglang.metrics = VLLM.replace(b"} 3.0", b"} 99.0"), SGLANG.replace(b"} 31.0", b"} 1.0")
            until(lambda: deployments(gateway)["vllm"]["queue"] == 99.0)
            before = vllm.chats
            for _ in range(10):
                assert gateway.chat("m").status == 200
            assert vllm.chats == before
            # Who can no longer be read is soon not believed any more, and is served on.
            vllm.metrics = b""
            until(lambda: deployments(gateway)["vllm"]["load"] is None)
            assert gateway.metric('weighbridge_load_reads_total{provider="vllm",outcome="failed"}') >= 1
            assert gateway.metric('weighbridge_load_reads_total{provider="sglang",outcome="ok"}') >= 5
            assert gateway.chat("m").status == 200
            until(lambda: "provider 'vllm': its load cannot be read: The server answered 500." in gateway.log)
            # A reload that says no more of it ends the reading.
            text = (tmp_path / "weighbridge.yaml").read_text()
            (tmp_path / "weighbridge.yaml").write_text(text.replace("every: 100ms", "every: 60s"))
            until(lambda: gateway.log.count("reloaded: configuration") or None)
            # Twice, for the last readings of before and the first of after.
            gateway.next_counts()
            gateway.next_counts()
            asked = len(other.asked)
            gateway.next_counts()
            gateway.next_counts()
            assert len(other.asked) == asked
            assert gateway.stop() == 0
