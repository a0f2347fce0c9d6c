"""The real OTLP collector in a process of its own, and who it passes everything on to, on loopback."""

from __future__ import annotations

import gzip
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loadtests.ports import free_port
from tests.support.waiting import until

HAS_COLLECTOR = find_spec("rotel") is not None


class Received:
    """What has come through the collector."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: list[Any] = []
        self.resources: list[dict[str, str]] = []

    def take(self, path: str, body: bytes) -> None:
        """Take one message."""
        if path.endswith("/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({each.key: each.value.string_value for each in resource.resource.attributes})
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        else:
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in resource.scope_metrics for metric in scope.metrics]

    def of_trace(self, trace_id: str) -> list[Any]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace_id]


def attributes_of(span: Any) -> dict[str, Any]:
    """A span's attributes as plain values."""
    told: dict[str, Any] = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        told[each.key] = [one.string_value for one in value.values] if kind == "array_value" else value
    return told


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    received: Received

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.take(self.path, body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...


class Collector:
    """Where it listens, and what came through it."""

    def __init__(self, grpc: str, http: str, received: Received) -> None:
        self.grpc = grpc
        self.http = http
        self.received = received


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def collector(home: Path) -> Generator[Collector, None, None]:
    """Run a collector that passes everything on to :class:`Received`."""
    import rotel

    received = Received()
    handler = type("Handler", (_Handler,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    grpc, http = free_port(), free_port()
    with ExitStack() as stack:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        log = stack.enter_context((home / "collector.log").open("wb"))
        command = [
            *(str(Path(rotel.__file__).parent / "rotel-agent"), "start", "--pid-file", str(home / "collector.pid")),
            *("--otlp-grpc-endpoint", f"127.0.0.1:{grpc}", "--otlp-http-endpoint", f"127.0.0.1:{http}"),
            *("--exporter", "otlp", "--otlp-exporter-protocol", "http", "--batch-timeout", "50ms"),
            *("--otlp-exporter-endpoint", f"http://127.0.0.1:{server.server_port}"),
        ]
        process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))
        stack.callback(process.kill)
        until(lambda: (answers(grpc) and answers(http)) or None, 30.0)
        yield Collector(f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}", received)
