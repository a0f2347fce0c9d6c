"""A real Triton server on a processor, whose Python backend runs our model files with onnxruntime.

The server is in a virtual environment of its own, since its Python stub needs numpy 1; it is made once, beside the
tests' own, and costs a quarter of a minute then.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

from loadtests.ports import free_port

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".weighbridge" / "triton"
PACKAGES = (
    *("nvidia-pytriton==0.7.0", "numpy==1.26.4", "onnxruntime==1.32.0"),
    *("flatbuffers==25.12.19", "packaging==26.4", "protobuf==7.36.2"),
)
CONFIGURATION = """name: "{name}"
backend: "python"
max_batch_size: 0
input [
  {{ name: "ids" data_type: TYPE_INT64 dims: [ -1, -1 ] }},
  {{ name: "mask" data_type: TYPE_INT64 dims: [ -1, -1 ] }}
]
output [ {outputs} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""
MODEL = """import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        path = f"{args['model_repository']}/{args['model_version']}/model.onnx"
        self.session = onnxruntime.InferenceSession(path)
        self.names = [each.name for each in self.session.get_outputs()]

    def execute(self, requests):
        answers = []
        for request in requests:
            inputs = {each.name(): each.as_numpy() for each in request.inputs()}
            values = self.session.run(None, inputs)
            tensors = [pb.Tensor(name, value) for name, value in zip(self.names, values)]
            answers.append(pb.InferenceResponse(tensors))
        return answers
"""


def environment() -> Path:
    """The server's own environment, made if it is not there."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = HOME / "installed"
        wanted = " ".join(PACKAGES)
        if not done.is_file() or done.read_text() != wanted:
            shutil.rmtree(HOME / "venv", ignore_errors=True)
            venv.create(HOME / "venv", with_pip=True)
            subprocess.run(
                [HOME / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", "--no-deps", *PACKAGES],
                check=True,
                capture_output=True,
            )
            done.write_text(wanted)
    return HOME / "venv"


def repository(folder: Path, models: Path) -> Path:
    """A model repository with our models, as the server wants it."""
    shapes = {
        "embedder": {"embedding": "-1, 384"},
        "cross-encoder": {"odds": "-1, 1"},
        "names": {"logits": "-1, -1, 35", "hidden": "-1, -1, 384"},
    }
    for name, tensors in shapes.items():
        outputs = ", ".join(
            f'{{ name: "{output}" data_type: TYPE_FP32 dims: [ {dims} ] }}' for output, dims in tensors.items()
        )
        version = folder / name / "1"
        version.mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(CONFIGURATION.format(name=name, outputs=outputs))
        (version / "model.py").write_text(MODEL)
        shutil.copy(models / f"{name}.onnx", version / "model.onnx")
    return folder


@contextlib.contextmanager
def triton(models: Path, folder: Path) -> Iterator[str]:
    """Run a server of our models; gives its address.

    Args:
        models: Where the model files are.
        folder: Where it may write.
    """
    with served(repository(folder / "repository", models), folder) as url:
        yield url


@contextlib.contextmanager
def served(models: Path, folder: Path, rpc_port: int = 0, metrics_port: int = 0) -> Iterator[str]:
    """Run a server; gives its HTTP address.

    Args:
        models: A model repository.
        folder: Where it may write.
        rpc_port: Where it takes gRPC calls; nowhere without.
        metrics_port: Where its metrics are; nowhere without.
    """
    home = environment()
    packages = next(home.glob("lib/python*/site-packages"))
    server = packages / "pytriton" / "tritonserver"
    backends = folder / "backends"
    shutil.copytree(server / "backends" / "python", backends / "python")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = backends / "python" / "triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / version / stub.name, stub)
    program = server / "bin" / "tritonserver"
    for path in (stub, program):
        path.chmod(0o755)
    port = free_port()
    command = [
        *(program, "--model-repository", models, "--backend-directory", backends),
        *("--http-address", "127.0.0.1", "--http-port", str(port)),
        *(("--metrics-address", "127.0.0.1", "--metrics-port", str(metrics_port)) if metrics_port else ()),
        *("--allow-metrics", str(int(bool(metrics_port)))),
        *(("--grpc-address", "127.0.0.1", "--grpc-port", str(rpc_port)) if rpc_port else ("--allow-grpc", "0")),
    ]
    libraries = f"{packages}/nvidia_pytriton.libs:{sysconfig.get_config_var('LIBDIR')}"
    environ = os.environ | {
        "PATH": f"{home}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": libraries,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, folder / "log")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/v2/health/ready", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-4000:])
