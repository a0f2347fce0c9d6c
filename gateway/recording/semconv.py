"""Every name that is told by OpenTelemetry's protocol, in one place, since the conventions still move.

Those of the conventions are as open-telemetry/semantic-conventions-genai has them; what they have no name for is ours
and begins with ``weighbridge.``. The store has columns of its own, which do not follow what is renamed here.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"

# --- of the process
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
SERVICE_INSTANCE_ID = "service.instance.id"

# --- of spans
OPERATION_NAME = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
CONVERSATION_ID = "gen_ai.conversation.id"
PROMPT_NAME = "gen_ai.prompt.name"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKENS_KIND = "gen_ai.token.type"
ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"

# --- ours
EXCHANGE = "weighbridge.exchange.id"
TENANT = "weighbridge.tenant"
TEAM = "weighbridge.team"
KEY = "weighbridge.key.id"
TAG = "weighbridge.tag."
DIALECT = "weighbridge.dialect"
ALIAS = "weighbridge.alias"
DEPLOYMENT = "weighbridge.deployment"
SPLIT = "weighbridge.split"
ARM = "weighbridge.arm"
VERDICT = "weighbridge.verdict"
POLICY_REVISION = "weighbridge.policy.revision"
COVERAGE = "weighbridge.policy.coverage"
CONFIG_HASH = "weighbridge.config.hash"
CACHE = "weighbridge.cache"
CACHE_ORIGIN = "weighbridge.cache.origin"
CACHE_SIMILARITY = "weighbridge.cache.similarity"
CACHE_AGE = "weighbridge.cache.age"
CACHE_SAVED = "weighbridge.cache.saved_usd"
USAGE_SOURCE = "weighbridge.usage.source"
COST = "weighbridge.cost_usd"
OVERHEAD = "weighbridge.overhead"
PROMPT_VERSION = "weighbridge.prompt.version"
MIRROR_OF = "weighbridge.mirror.of"
TRIES = "weighbridge.tries"
TRY_NUMBER = "weighbridge.try.number"
TRY_KIND = "weighbridge.try.kind"
TRY_INPUT_TOKENS = "weighbridge.try.input_tokens"
TRY_OUTPUT_TOKENS = "weighbridge.try.output_tokens"
RULE = "weighbridge.guard.rule"
DETECTORS = "weighbridge.guard.detectors"
ACTION = "weighbridge.guard.action"
MODE = "weighbridge.guard.mode"
DIRECTION = "weighbridge.guard.direction"
HITS = "weighbridge.guard.hits"
SCORE = "weighbridge.guard.score"
# More rules had hits than have spans.
RULES_LEFT_OUT = "weighbridge.guard.left_out"

# --- metrics, and the bounds that the conventions advise
TOKENS_USED = "gen_ai.client.token.usage"
OPERATION_DURATION = "gen_ai.client.operation.duration"
CLIENT_FIRST = "gen_ai.client.operation.time_to_first_chunk"
REQUEST_DURATION = "gen_ai.server.request.duration"
SERVER_FIRST = "gen_ai.server.time_to_first_token"
TOKEN_BOUNDS = tuple(4.0**power for power in range(14))
SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
FIRST_BOUNDS = (*(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),)

# --- values
# What each dialect asks for; what is not here is no generation.
OPERATIONS = {
    "openai_chat": "chat",
    "openai_responses": "chat",
    "openai_realtime": "chat",
    "openai_completions": "text_completion",
    "openai_embeddings": "embeddings",
    "anthropic_messages": "chat",
    "bedrock_converse": "chat",
    "gemini": "generate_content",
    "gemini_embeddings": "embeddings",
    "triton": "text_completion",
}
# By the kind of a provider; what is not here is told by the name that the configuration gives it.
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
}
# Of an error whose kind is not one of few.
OTHER = "_OTHER"
