"""What asking the gateway adds to a call through Envoy, and what the gateway adds as another hop behind it.

python -m loadtests.mesh [CALLS]

One call after the other over kept connections, in turn: through Envoy alone, through Envoy that asks by ext_proc, and
through Envoy to the gateway as its upstream; with no rules, and with the shipped baseline. The provider answers at
once. What is added is the difference to Envoy alone, in the same run.
"""

from __future__ import annotations

import http.client
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from loadtests import build
from loadtests.fleet import quantile
from loadtests.ports import free_port
from loadtests.processes import LOAD_KEY, start
from loadtests.targets import Site

CALLS = 1_000
WARM = 100
# The ways take turns: what disturbs one disturbs all.
AT_A_TIME = 25
_BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What is the capital of France?"}]}'
_HEADERS = {"content-type": "application/json", "authorization": f"Bearer {LOAD_KEY}"}
WAYS: tuple[str, ...] = ("plain", "ext_proc", "hop")


def _asked(line: http.client.HTTPConnection) -> float:
    began = time.perf_counter()
    line.request("POST", "/v1/chat/completions", _BODY, _HEADERS)
    answer = line.getresponse()
    answer.read()
    took_ms = (time.perf_counter() - began) * 1e3
    if answer.status != 200:
        raise ValueError(answer.status)
    return took_ms


def measured(name: str, template: str, calls: int) -> None:
    """Measure with one configuration, and print what came of it."""
    cpus = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mesh-")))
        names = ("@PROVIDER@", "@GATEWAY@", "@PROCESSOR@", "@PLAIN@", "@HOP@", "@EXT_PROC@")
        ports: dict[str, int] = dict(zip(names, (free_port() for _ in names), strict=True))
        provider, gateway = ports["@PROVIDER@"], ports["@GATEWAY@"]
        made = [str(build.compiled("provider")), str(provider)]
        stack.callback(start("provider", provider, made, cpu=cpus[0], home=home / "provider").stop)
        site = Site(provider, home, build.BIN / "peers", cpus[-1])
        line = f"{build.weighbridge()} serve --listen 127.0.0.1:{gateway} --workers 1 --no-operator".split()
        line += ["--upstream", f"http://127.0.0.1:{provider}/v1", "--ext-proc", f"127.0.0.1:{ports['@PROCESSOR@']}"]
        line += ["-c", str(site.configured("weighbridge", template))]
        ours = start("gateway", gateway, line, cpu=cpus[-1], home=home / "gateway")
        stack.callback(ours.stop)
        written = (build.HERE / "conf" / "envoy-ext-proc.yaml").read_text()
        for mark, port in ports.items():
            written = written.replace(mark, str(port))
        (home / "envoy.yaml").write_text(written)
        words = f"{build.envoy(build.BIN / 'peers')} --concurrency 1 -l error --disable-hot-restart".split()
        words += ["-c", str(home / "envoy.yaml")]
        theirs = start("envoy", ports["@PLAIN@"], words, cpu=cpus[0], home=home / "envoy")
        stack.callback(theirs.stop)
        lines = {way: http.client.HTTPConnection("127.0.0.1", ports[f"@{way.upper()}@"], timeout=30) for way in WAYS}
        took: dict[str, list[float]] = {way: [] for way in WAYS}
        cpu = dict.fromkeys(WAYS, 0.0)
        for each in lines.values():
            for _ in range(WARM):
                _asked(each)
        for _ in range(calls // AT_A_TIME):
            for way, each in lines.items():
                before = ours.cpu_s()
                took[way] += [_asked(each) for _ in range(AT_A_TIME)]
                cpu[way] += ours.cpu_s() - before
        for each in lines.values():
            each.close()
    _show(name, took, cpu)


def _show(name: str, took: dict[str, list[float]], cpu: dict[str, float]) -> None:
    floor = quantile(took["plain"], 0.5), quantile(took["plain"], 0.99)
    for way in WAYS:
        p50, p99 = quantile(took[way], 0.5), quantile(took[way], 0.99)
        added = f"added p50 {p50 - floor[0]:.2f} ms, p99 {p99 - floor[1]:.2f} ms"
        used = f"gateway's CPU a call {cpu[way] / len(took[way]) * 1e6:.0f} us"
        sys.stdout.write(f"{name:10} {way:9} p50 {p50:.2f} ms, p99 {p99:.2f} ms; {added}; {used}\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Run from the command line."""
    calls = int(words[0]) if words else CALLS
    for name, template in (("no rules", "weighbridge-bare.yaml"), ("baseline", "weighbridge-baseline.yaml")):
        measured(name, template, calls)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
