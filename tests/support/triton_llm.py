"""A model repository with TensorRT-LLM's tensor names; its model repeats words, and the prompt steers what it does."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = """name: "ensemble"
backend: "python"
max_batch_size: 0
model_transaction_policy { decoupled: true }
input [
  { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "max_tokens" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "stream" data_type: TYPE_BOOL dims: [ 1 ] optional: true },
  { name: "temperature" data_type: TYPE_FP32 dims: [ 1 ] optional: true },
  { name: "stop_words" data_type: TYPE_STRING dims: [ -1 ] optional: true }
]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "output_log_probs" data_type: TYPE_FP32 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
# Each request has a thread of its own, as a server that batches in flight would serve many at once.
MODEL = """import pathlib
import threading
import time

import numpy as np
import triton_python_backend_utils as pb


def tensor(request, name):
    found = pb.get_input_tensor_by_name(request, name)
    return None if found is None else found.as_numpy().reshape(-1)


class TritonPythonModel:
    def initialize(self, args):
        self.folder = pathlib.Path(args["model_repository"])

    def execute(self, requests):
        for request in requests:
            text = tensor(request, "text_input")[0].decode()
            count = int(tensor(request, "max_tokens")[0])
            stream = tensor(request, "stream")
            given = (text, count, bool(stream is not None and stream[0]), request.get_response_sender())
            threading.Thread(target=self.answer, args=given).start()
        return None

    def answer(self, text, count, stream, sender):
        words = [word + " " for word in text.split()][:count]
        if "FOREVER" in text:
            words = ["on "] * 100000
        for at, word in enumerate(words if stream else ["".join(words)]):
            if sender.is_cancelled():
                (self.folder / "cancelled").write_text(str(at))
                break
            if "BREAK" in word:
                error = pb.TritonError("out of memory")
                sender.send(pb.InferenceResponse([], error))
                break
            out = pb.Tensor("text_output", np.array([word.encode()], dtype=object))
            probable = pb.Tensor("output_log_probs", np.array([-0.1], dtype=np.float32))
            sender.send(pb.InferenceResponse([out, probable]))
            if stream:
                time.sleep(0.005)
        sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


PLAIN_CONFIGURATION = """name: "plain"
backend: "python"
max_batch_size: 0
input [
  { name: "text_input" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "numbers" data_type: TYPE_FP32 dims: [ -1 ] }
]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "doubled" data_type: TYPE_FP32 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
# Answers once, in tensors.
PLAIN_MODEL = """import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb.get_input_tensor_by_name(request, "text_input").as_numpy()
        numbers = pb.get_input_tensor_by_name(request, "numbers").as_numpy()
        said = np.array([b"<" + text + b">" for text in texts], dtype=object)
        return pb.InferenceResponse([pb.Tensor("text_output", said), pb.Tensor("doubled", numbers * 2)])
"""

MIRROR_CONFIGURATION = """name: "mirror"
backend: "python"
max_batch_size: 0
input [ { name: "text_input" data_type: TYPE_STRING dims: [ -1 ] } ]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ -1 ] },
  { name: "output_log_probs" data_type: TYPE_FP32 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
# Says what nobody has said: every text backwards.
MIRROR_MODEL = """import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        texts = pb.get_input_tensor_by_name(request, "text_input").as_numpy()
        said = np.array([text[::-1] for text in texts], dtype=object)
        likely = np.full(len(texts), -0.5, dtype=np.float32)
        return pb.InferenceResponse([pb.Tensor("text_output", said), pb.Tensor("output_log_probs", likely)])
"""


def repository(folder: Path) -> Path:
    """Write the repository."""
    models = {"ensemble": (CONFIGURATION, MODEL), "plain": (PLAIN_CONFIGURATION, PLAIN_MODEL)}
    models["mirror"] = (MIRROR_CONFIGURATION, MIRROR_MODEL)
    for name, (configuration, model) in models.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(configuration)
        (version / "model.py").write_text(model)
    return folder
