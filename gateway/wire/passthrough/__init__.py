"""Whatever else an OpenAI-compatible provider, or any provider, understands: passed on, weighed and inspected blindly.

``/v1/*`` that has no dialect of its own, and everything below ``/providers/{name}/``. Documents are read leaf by leaf,
since nobody knows their shape; bytes leave as they came unless a rule edits the document or the model is renamed.
"""

from __future__ import annotations

from gateway.wire.passthrough.binary import open_answer
from gateway.wire.passthrough.dialect import DIALECT
from gateway.wire.passthrough.kserve import KSERVE
from gateway.wire.passthrough.request import carries_json, unscanned

__all__ = ["DIALECT", "KSERVE", "carries_json", "open_answer", "unscanned"]
