from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.environment import Options
from gateway.config.load import load_settings
from gateway.config.otlp import Keep, Otlp
from gateway.config.references import Secret
from tests.config.test_schema import problems_of

GRPC = "telemetry: {otlp: {endpoint: 'http://o:4317'"
HTTP = "telemetry: {otlp: {endpoint: 'https://o/base', protocol: http"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("telemetry: {otlp: {}}", "telemetry.otlp.endpoint: required"),
        ("telemetry: {otlp: {endpoint: o:4317}}", "telemetry.otlp.endpoint"),
        ("telemetry: {otlp: {endpoint: 'http://o'}}", "the endpoint of protocol grpc is host and port"),
        ("telemetry: {otlp: {endpoint: 'http://o:1/x'}}", "the endpoint of protocol grpc is host and port"),
        (GRPC + ", protocol: udp}}", "telemetry.otlp.protocol"),
        (GRPC + ", headers: {X-Key: 'env:K'}}}", "telemetry.otlp.headers"),
        (GRPC + ", headers: {x-key: plain}}}", "a secret is not written here"),
        (GRPC + ", headers: {host: 'env:K'}}}", "the header host is the protocol's own"),
        (GRPC + ", headers: {grpc-timeout: 'env:K'}}}", "the header grpc-timeout is the protocol's own"),
        (GRPC + ", traces: false, metrics: false}}", "sends traces, metrics or both"),
        (GRPC + ", every: 10ms}}", "telemetry.otlp.every"),
        (GRPC + ", timeout: 5m}}", "telemetry.otlp.timeout"),
        (GRPC + ", compression: zstd}}", "telemetry.otlp.compression"),
        (GRPC + ", resource: {a: ''}}}", "telemetry.otlp.resource"),
        (GRPC + ", keep: {slow: 0s}}}", "telemetry.otlp.keep.slow"),
        (GRPC + ", keep: {cost_usd: 0}}}", "telemetry.otlp.keep.cost_usd"),
        (GRPC + ", keep: {tainted: true}}}", "telemetry.otlp.keep.tainted: unknown key"),
        (GRPC + ", traces: false}, sample: 5%}", "sample is the share of calls whose spans are sent"),
        ("telemetry: {sample: 5%}", "sample is the share of calls whose spans are sent: it needs otlp"),
        ("telemetry: {sample: 200%}", "telemetry.sample: should be a share between 0% and 100%"),
        ("telemetry: {prometheus: false}", "turning /metrics off is not yet available"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(text: str, problem: str) -> None:
    assert any(problem in each for each in problems_of(text)), problems_of(text)


def loaded(tmp_path: Path, text: str, environ: dict[str, str]) -> tuple[Otlp | None, list[str]]:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(f"version: 1\n{text}\n")
    result = load_settings(Options(config=str(file)), environ, tmp_path)
    assert result.settings is not None or result.problems
    return result.settings and result.settings.otlp, [str(each) for each in result.problems]


def test_what_is_written_is_in_force(tmp_path: Path) -> None:
    text = HTTP + (
        ", headers: {x-key: 'env:K'}, timeout: 3s, compression: none, every: 5s, metrics: false, "
        "resource: {deployment.environment.name: prod}, keep: {errors: false, slow: 2s, cost_usd: 0.25}}, sample: 10%}"
    )
    otlp, problems = loaded(tmp_path, text, {"K": "hidden"})
    assert not problems
    assert otlp == Otlp(
        endpoint="https://o/base",
        protocol="http",
        headers={"x-key": Secret("hidden", "env:K")},
        timeout_s=3.0,
        compress=False,
        metrics=False,
        every_s=5.0,
        resource={"deployment.environment.name": "prod"},
        sample=0.1,
        keep=Keep(errors=False, slow_s=2.0, costly_nanousd=250_000_000),
    )


def test_the_least_is_an_endpoint(tmp_path: Path) -> None:
    otlp, problems = loaded(tmp_path, GRPC + "}}", {})
    assert not problems
    assert otlp == Otlp(endpoint="http://o:4317", protocol="grpc")


def test_nothing_is_sent_unasked(tmp_path: Path) -> None:
    assert loaded(tmp_path, "telemetry: {prometheus: true}", {}) == (None, [])


def test_a_secret_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    _, problems = loaded(tmp_path, GRPC + ", headers: {x-key: 'env:K'}}}", {})
    assert any("telemetry.otlp.headers.x-key" in each for each in problems), problems
