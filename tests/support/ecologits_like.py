"""A tiny package with the functions of ``ecologits`` that we call, and plain figures; written where a test wants it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = '__version__ = "0.11.like"\n'
_TRACERS = """
import logging, math
from types import SimpleNamespace as Plain
class Loud(logging.Logger): pass
logging.setLoggerClass(Loud)
ASKED = []
_SIZES = {("openai", "gpt-4o-mini"): 1.0, ("anthropic", "claude-haiku-4-5"): 3.0, ("openai", "crooked"): 1.0}
class models:
    @staticmethod
    def find_model(provider, model_name):
        return _SIZES.get((provider, model_name))
class electricity_mixes:
    @staticmethod
    def find_electricity_mix(zone):
        return {"FRA": 0.05, "WOR": 0.5}.get(zone)
def llm_impacts(provider, model_name, output_token_count, request_latency, electricity_mix_zone=None):
    assert isinstance(output_token_count, int) and request_latency == math.inf
    ASKED.append((provider, model_name, output_token_count))
    tokens = output_token_count ** 2 if model_name == "crooked" else output_token_count
    low = _SIZES[provider, model_name] * (0.5 + tokens) / 1024
    mix = electricity_mixes.find_electricity_mix(electricity_mix_zone or "WOR")
    energy = Plain(value=Plain(min=low, max=2 * low)) if model_name != "claude-haiku-4-5" else Plain(value=low)
    gwp = Plain(value=Plain(min=low * mix, max=2 * low * mix)) if energy.value is not low else Plain(value=low * mix)
    return Plain(energy=energy, gwp=gwp, errors=None)
"""


def write_package(folder: Path) -> Path:
    """Write it, and give the folder that goes on the path."""
    tracers = folder / "ecologits" / "tracers"
    tracers.mkdir(parents=True)
    (folder / "ecologits" / "__init__.py").write_text(_PACKAGE)
    (tracers / "__init__.py").write_text("")
    (tracers / "utils.py").write_text(_TRACERS)
    return folder
