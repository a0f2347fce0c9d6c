"""The dialects of Amazon Bedrock: ``bedrock_converse``, whole and streamed, and what ``invoke`` puts around bodies."""

from __future__ import annotations

from gateway.wire.bedrock_converse.codec import CODEC
from gateway.wire.bedrock_converse.dialect import DIALECT
from gateway.wire.bedrock_converse.invoke import BedrockInvoke
from gateway.wire.bedrock_converse.paths import find, is_below

__all__ = ["CODEC", "DIALECT", "BedrockInvoke", "find", "is_below"]
