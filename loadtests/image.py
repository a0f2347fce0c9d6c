"""``make image``: builds the images of the Dockerfile, runs each as a cluster would, and says what that took.

    python -m loadtests.image [--target sidecar] [--base IMAGE --pgo required]

What is shown of each: it is ready, a call goes through it and is guarded, its health check passes, nothing but the
volume can be written, there is no shell, SIGTERM lets a call under way end. Anything else than that fails. Needs root,
and of Debian: buildah, runc, debootstrap.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loadtests.image_build import BASE, STORE, build, configuration, has, make_base, mounted
from loadtests.image_run import HOME, Running, running, stopped, until
from loadtests.ports import free_port
from tests.support.figures import slowness

TARGETS = ("sidecar", "full")
NEEDED = ("buildah", "runc", "debootstrap")
STARTS = 5
CALLS = 20
SLOW_S = 1.5
SECRET = "ghp_" + "a1B2" * 9
ANSWER = {
    "id": "c", "object": "chat.completion", "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}  # fmt: skip
# What is promised of the sidecar; `full` is only stated. A start may take as many times longer as this machine does.
LIMITS = {"files_mb": 150.0, "ready_ms": 1000.0, "rss_mb": 90.0}
SHELLS = ("bin/sh", "bin/bash", "bin/dash", "bin/busybox", "usr/bin/apt", "usr/bin/dpkg", "usr/bin/perl")
WRITES = """
for path in ("/x", "/tmp/x", "/opt/weighbridge/x", "/etc/weighbridge/x"):
    try:
        open(path, "w")
    except OSError:
        continue
    raise SystemExit(path)
open("{home}/x", "w")
"""


class Provider(BaseHTTPRequestHandler):
    """A provider that gives one answer, at once or after a while."""

    bodies: list[bytes]

    def do_POST(self) -> None:
        """Answer a call."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.bodies.append(body)
        if b"slow" in body:
            time.sleep(SLOW_S)
        answer = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextlib.contextmanager
def provider() -> Generator[tuple[str, list[bytes]], None, None]:
    """Serve; gives the base URL and the bodies that came."""
    bodies: list[bytes] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Its", (Provider,), {"bodies": bodies}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", bodies
    finally:
        server.shutdown()
        server.server_close()


def sizes(root: Path) -> dict[str, float]:
    """Return how large an image is, unpacked and as it travels, in MB."""
    files = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            files[status.st_ino] = status.st_size
    with tempfile.TemporaryFile() as packed:
        subprocess.run(["tar", "-C", root, "--gzip", "-c", "."], stdout=packed, check=True)
        return {"files_mb": sum(files.values()) / 1e6, "packed_mb": packed.seek(0, 2) / 1e6}


def chat(text: str) -> dict[str, Any]:
    """Return a call."""
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def shown(name: str, *, holds: bool) -> None:
    """Print that something was shown, or end."""
    print(f"  {'ok ' if holds else 'NOT'} {name}", flush=True)
    if not holds:
        raise SystemExit(1)


def serves(container: Running, said: dict[str, Any], bodies: list[bytes]) -> None:
    """Show what holds of an image that runs."""
    shown("alive and ready", holds=container.ask("/healthz")[0] == container.ask("/readyz")[0] == 200)
    status, answer = container.ask("/v1/chat/completions", chat(f"my token is {SECRET}"))
    shown("a call goes through", holds=status == 200 and b"hello" in answer)
    shown("and was guarded", holds=b"[GITHUB_TOKEN]" in bodies[-1] and SECRET.encode() not in bodies[-1])
    code, told = container.execute(*said["Healthcheck"]["Test"][1:])
    shown(f"the health check passes {told.strip()}", holds=code == 0)
    code, told = container.execute("/opt/weighbridge/bin/python3", "-IS", "-c", WRITES.format(home=HOME))
    shown(f"only the volume can be written {told.strip()[-200:]}", holds=code == 0)
    code, told = container.execute("/opt/weighbridge/bin/weighbridge", "--version")
    shown(f"commands run in it: {told.strip()}", holds=code == 0)
    status_of = Path(f"/proc/{container.processes()[0]}/status").read_text()
    shown(
        "without privileges, as user 10001",
        holds="CapEff:\t0000000000000000" in status_of and "Uid:\t10001\t" in status_of,
    )


def drains(container: Running, bodies: list[bytes]) -> float:
    """Show that a call under way ends while the container is told to; returns what that took, in milliseconds."""
    before, got = len(bodies), list[tuple[int, bytes]]()
    caller = threading.Thread(target=lambda: got.append(container.ask("/v1/chat/completions", chat("slow"))))
    caller.start()
    until(lambda: len(bodies) > before)
    took_ms = stopped(container)
    caller.join()
    shown("SIGTERM lets a call under way end", holds=bool(got) and got[0][0] == 200)
    shown(f"and ends with 0 after {took_ms:.0f} ms", holds=container.process.returncode == 0)
    return took_ms


def measured(target: str, image: str) -> dict[str, Any]:
    """Run an image a few times; returns the figures."""
    said = configuration(image)
    starts: list[tuple[float, float]] = []
    memory: list[dict[str, float]] = []
    factors: list[float] = []
    with mounted(image) as root, provider() as (url, bodies), tempfile.TemporaryDirectory(dir=STORE) as folder:
        figures: dict[str, Any] = {"target": target, **sizes(root)}
        shown("no shell and no package manager", holds=not [name for name in SHELLS if (root / name).exists()])
        # As the sidecar is started, but without a file.
        words = ["serve", "--upstream", url, "--no-operator", "--no-supervisor"]
        for number in range(STARTS):
            factors.append(slowness())
            with running(Path(folder) / str(number), root, said, words, free_port()) as container:
                starts.append((container.ready_ms, container.ready_cpu_ms))
                if not number:
                    serves(container, said, bodies)
                for _ in range(CALLS):
                    container.ask("/v1/chat/completions", chat("hello"))
                time.sleep(2)
                memory.append(container.memory_mb())
                figures["processes"] = len(container.processes())
                if number:
                    stopped(container)
                else:
                    figures["drain_ms"] = drains(container, bodies)
        if target == "full":
            figures |= embedded(Path(folder) / "embedded", root, said)
    figures["ready_ms"] = statistics.median(each for each, _ in starts)
    figures["ready_cpu_ms"] = statistics.median(each for _, each in starts)
    figures["slower_by"] = max(1.0, statistics.mean(factors))
    figures["ready_ms_all"] = sorted(round(each) for each, _ in starts)
    figures["rss_mb"] = statistics.median(each["rss"] for each in memory)
    figures["pss_mb"] = statistics.median(each["pss"] for each in memory)
    return figures


def embedded(folder: Path, root: Path, said: dict[str, Any]) -> dict[str, float]:
    """Run the image as it starts without arguments: with its store and its models; returns the figures."""
    (folder / "settings").mkdir(parents=True)
    (folder / "settings" / "weighbridge.yaml").write_text("version: 1\npolicies: {bundle: [models.yaml]}\n")
    with running(folder, root, said, said["Cmd"], free_port()) as container:
        shown(
            "a call of the built-in model",
            holds=container.ask("/v1/chat/completions", chat("hello") | {"model": "sim/echo"})[0] == 200,
        )
        code, told = container.execute("/opt/weighbridge/bin/weighbridge", "models", "verify", "--json")
        shown("the models are whole", holds=code == 0 and '"ok"' in told)
        query = ("traces", "sql", "--json", "SELECT status FROM exchanges")
        until(lambda: "200" in container.execute("/opt/weighbridge/bin/weighbridge", *query)[1])
        shown("which is in the embedded store", holds=True)
        memory = container.memory_mb()
        stopped(container)
        return {
            "embedded_ready_ms": container.ready_ms,
            "embedded_rss_mb": memory["rss"],
            "embedded_pss_mb": memory["pss"],
        }


def main() -> None:
    """Build, run, tell; ends with 1 where something promised does not hold."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.image", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--base", default=BASE, help="an image of Python in the store; by default one is made")
    parser.add_argument("--pgo", default="any", choices=("required", "any"))
    parser.add_argument("--built", action="store_true", help="run what was built before")
    args = parser.parse_args()
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        raise SystemExit(f"not installed: {', '.join(missing)}")
    STORE.mkdir(parents=True, exist_ok=True)
    if args.base == BASE:
        make_base()
    told: list[dict[str, Any]] = []
    for target in args.target or TARGETS:
        image = f"localhost/weighbridge:{target}"
        if not (args.built and has(image)):
            print(f"{target}: building", flush=True)
            build(target, args.base, args.pgo)
        print(f"{target}: running", flush=True)
        told.append(measured(target, image))
    for figures in told:
        print(json.dumps({name: round(each, 1) if isinstance(each, float) else each for name, each in figures.items()}))
    over = [
        f"{name} is {figures[name]:.1f}, not at most {limit:.0f}"
        for figures in told if figures["target"] == "sidecar"
        for name, limit in LIMITS.items() if figures[name] > limit
    ]  # fmt: skip
    if over:
        raise SystemExit("sidecar: " + "; ".join(over))


if __name__ == "__main__":
    main()
