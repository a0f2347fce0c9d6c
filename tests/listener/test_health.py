from __future__ import annotations

import orjson
import pytest

from gateway.listener.health import Health


def health() -> Health:
    return Health(lambda: {"config_hash": "abc", "policy_revision": "def"})


def test_a_process_that_runs_is_healthy_even_while_it_drains():
    probe = health()
    probe.draining = True
    assert probe.answer("/healthz", "") == (200, b"content-type: application/json\r\n", b'{"status":"ok"}')


def test_ready_means_send_me_calls():
    probe = health()
    assert probe.answer("/readyz", "") == (200, b"content-type: application/json\r\n", b'{"status":"ready"}')


def test_a_draining_process_is_not_ready_and_lets_the_connection_go():
    probe = health()
    probe.draining = True
    answer = probe.answer("/readyz", "")
    assert answer is not None
    status, headers, body = answer
    assert (status, orjson.loads(body)) == (503, {"status": "draining"})
    assert headers.endswith(b"retry-after: 1\r\n")


def test_the_verbose_report_is_made_anew_each_time_and_only_when_asked_for():
    made: list[int] = []

    def report() -> dict[str, int]:
        made.append(1)
        return {"reports": len(made)}

    probe = Health(report)
    probe.answer("/readyz", "")
    assert made == []
    for count in (1, 2):
        answer = probe.answer("/readyz", "verbose")
        assert answer is not None
        assert orjson.loads(answer[2]) == {"status": "ready", "reports": count}


@pytest.mark.parametrize("path", ["", "/", "/healthz/", "/readyz/x", "/v1/healthz", "/HEALTHZ"])
def test_any_other_path_is_no_probe(path: str):
    assert health().answer(path, "verbose") is None


@pytest.mark.parametrize(("path", "same"), [("/v2/health/live", "/healthz"), ("/v2/health/ready", "/readyz")])
def test_clients_of_triton_ask_in_their_own_words(path: str, same: str):
    probe = health()
    assert probe.answer(path, "") == probe.answer(same, "")
    probe.draining = True
    assert probe.answer(path, "") == probe.answer(same, "")
