"""A model repository whose server is kept busy: a model that waits for leave, and one with TensorRT-LLM's gauges."""

from __future__ import annotations

from pathlib import Path

CONFIGURATION = """name: "{name}"
backend: "python"
max_batch_size: 0
input [ {{ name: "text_input" data_type: TYPE_STRING dims: [ -1 ] }} ]
output [ {{ name: "text_output" data_type: TYPE_STRING dims: [ -1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: 1 }} ]
"""
# Answers one call at a time, each when the file is there: what comes meanwhile waits in the server.
SLOW = """import pathlib
import time

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        self.leave = pathlib.Path(args["model_repository"]) / "leave"

    def execute(self, requests):
        answers = []
        for request in requests:
            while not self.leave.exists():
                time.sleep(0.01)
            text = pb.get_input_tensor_by_name(request, "text_input").as_numpy()
            answers.append(pb.InferenceResponse([pb.Tensor("text_output", text)]))
        return answers
"""
# The server itself writes these gauges among its own, under the names that TensorRT-LLM's backend gives them.
GAUGES = """import triton_python_backend_utils as pb

FAMILIES = {
    "nv_trt_llm_request_metrics": ("request_type", {"waiting": 4, "scheduled": 8, "max": 512}),
    "nv_trt_llm_kv_cache_block_metrics": ("kv_cache_block_type", {"fraction": 0.6, "max": 6240}),
}


class TritonPythonModel:
    def initialize(self, args):
        self.kept = []
        for name, (label, values) in FAMILIES.items():
            family = pb.MetricFamily(name=name, description="as TensorRT-LLM's", kind=pb.MetricFamily.GAUGE)
            for value, count in values.items():
                labels = {"model": "tensorrt_llm", "version": "1", label: value}
                metric = family.Metric(labels=labels)
                metric.set(count)
                self.kept.append((family, metric))

    def execute(self, requests):
        return [pb.InferenceResponse([pb.get_input_tensor_by_name(each, "text_input")]) for each in requests]
"""


def repository(folder: Path, *, gauges: bool) -> Path:
    """Write the repository; with a model that has gauges, or without."""
    for name, model in {"slow": SLOW, **({"gauges": GAUGES} if gauges else {})}.items():
        version = folder / name / "1"
        version.mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(CONFIGURATION.format(name=name))
        (version / "model.py").write_text(model)
    return folder
