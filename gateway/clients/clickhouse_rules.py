"""What both drivers of ClickHouse's engine agree on: settings of a statement, and what a failure of it means."""

from __future__ import annotations

import re

from gateway.core.errors import GatewayFault, StoreRejected, StoreUnavailable

# One slice is one block, so that its token stands for all of it; a line of a later version may know more fields.
INSERT_SETTINGS: dict[str, int | str] = {
    "async_insert": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_parallel_parsing": 0,
    "input_format_skip_unknown_fields": 1,
    "insert_deduplicate": 1,
    "max_insert_threads": 1,
    "max_partitions_per_insert_block": 0,
    # A pipeline of several threads costs half as much again for the small slices of a quiet hour.
    "max_threads": 1,
}
# The server gathers the inserts of many gateways into few parts, and answers when they are in their tables.
ASYNC_INSERT_SETTINGS: dict[str, int | str] = {
    "async_insert": 1,
    "deduplicate_insert": "enable",
    "wait_for_async_insert": 1,
}
READ_SETTINGS: dict[str, int | str] = {
    "date_time_output_format": "iso",
    "max_execution_time": 60,
    "max_memory_usage": 2 << 30,
    "output_format_json_quote_64bit_integers": 0,
    "readonly": 1,
}
# What a user's own statement gives.
MOST_GUEST_ROWS = 10_000
# readonly=1 also forbids to change a setting, temporary tables and every table function that reads elsewhere.
GUEST_SETTINGS: dict[str, int | str] = {
    **READ_SETTINGS,
    # Of the statement as a whole, not of those in it; one more, so that it is known that there are more.
    "limit": MOST_GUEST_ROWS + 1,
    "max_execution_time": 20,
    "max_memory_usage": 512 << 20,
    # A server ends the answer there; the embedded engine looks at rows alone.
    "max_result_bytes": 64 << 20,
    "max_threads": 2,
    "result_overflow_mode": "break",
}

_TOKEN = re.compile(r"[A-Za-z0-9:._-]{1,200}")
_CODE = re.compile(r"\bCode: (\d+)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_PLACE = re.compile(r"\(at row (\d+)\)")
_FIELD = re.compile(r"\(while reading the value of key ([A-Za-z0-9_]+)\)")
_VERSION = re.compile(r"\s*\(version (?:[^()]|\([^()]*\))*\)")

# What is wrong with the data itself. Anything else that befalls an insert may pass: nothing is given up for it.
_BAD_DATA = re.compile(
    r"CANNOT_PARSE_\w+|CANNOT_READ_(ARRAY|MAP)_FROM_TEXT|CANNOT_READ_ALL_DATA|CANNOT_CONVERT_TYPE|CANNOT_SKIP_UNKNOWN_FIELD"
    r"|CANNOT_INSERT_\w+|ATTEMPT_TO_READ_AFTER_EOF|INCORRECT_(DATA|NUMBER_OF_COLUMNS)|TYPE_MISMATCH|ARGUMENT_OUT_OF_BOUND"
    r"|VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE|DECIMAL_OVERFLOW|TOO_LARGE_(ARRAY|STRING)_SIZE|SIZES_OF_\w+|UNICODE_ERROR"
    r"|UNEXPECTED_DATA_AFTER_PARSED_VALUE|UNKNOWN_ELEMENT_OF_ENUM|NO_COMMON_TYPE|VIOLATED_CONSTRAINT|TOO_DEEP_RECURSION"
)
# The embedded engine's binding fails to show a reason that quotes data which is no text.
_NOT_UTF8 = "codec can't decode byte"
# What says that the engine, not the statement, has a problem: network, memory, disk, sign-in, overload, Keeper.
_AWAY = re.compile(
    r"CANNOT_(READ_FROM|WRITE_TO)_SOCKET|CANNOT_ALLOCATE_MEMORY|CANNOT_FSYNC|CANNOT_OPEN_FILE|TIMEOUT_EXCEEDED"
    r"|\w*NETWORK_ERROR|SOCKET_TIMEOUT|DNS_ERROR|NO_FREE_CONNECTION|ALL_CONNECTION_TRIES_FAILED|\w+_LIMIT_REACHED"
    r"|UNKNOWN_USER|WRONG_PASSWORD|REQUIRED_PASSWORD|IP_ADDRESS_NOT_ALLOWED|AUTHENTICATION_FAILED|USER_EXPIRED"
    r"|ACCESS_DENIED|TOO_MANY_(SIMULTANEOUS_QUERIES|PARTS)|SERVER_OVERLOADED|RECEIVED_ERROR_TOO_MANY_REQUESTS"
    r"|NOT_ENOUGH_SPACE|TABLE_IS_READ_ONLY|NO_ZOOKEEPER|KEEPER_EXCEPTION|TOO_FEW_LIVE_REPLICAS|UNKNOWN_STATUS_OF_INSERT"
    r"|MEMORY_RESERVATION_\w+|MEMORY_LIMIT_EXCEEDED|QUERY_WAS_CANCELLED|ABORTED|SYSTEM_ERROR"
)
# In a user's own statement these are limits that it ran into, or things that it may not see.
_OWN_FAULT = re.compile(r"TIMEOUT_EXCEEDED|MEMORY_LIMIT_EXCEEDED|QUERY_WAS_CANCELLED|ACCESS_DENIED")


def checked_token(token: str) -> str:
    """Return a deduplication token that can stand in a statement, where settings cannot be bound.

    Raises:
        ValueError: It holds anything but letters, digits and ``:._-``.
    """
    if _TOKEN.fullmatch(token) is None:
        raise ValueError("a deduplication token is letters, digits and :._-")
    return token


def escaped(value: str) -> str:
    """Write a parameter's value as the engine reads it (its escaped text format)."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\0", "\\0")


def _name_of(text: str) -> str:
    # The engine puts its name for a failure last, behind whatever it quotes.
    names: list[str] = _NAME.findall(text)
    return names[-1] if names else ""


def _code_of(text: str) -> int:
    match = _CODE.search(text)
    return int(match[1]) if match else 0


def insert_failure(text: str) -> GatewayFault:
    """What a failed insert means. The engine's own words quote the data, so only their frame is kept."""
    if _NOT_UTF8 in text:
        return StoreRejected("The trace store refused the data: it is no UTF-8.")
    name = _name_of(text)
    said = [name or "no reason given"]
    said += [f"field {field}" for field in _FIELD.findall(text)[:1]] + [
        f"row {row}" for row in _PLACE.findall(text)[:1]
    ]
    message = f"The trace store refused the data: {', '.join(said)}."
    if _BAD_DATA.fullmatch(name):
        return StoreRejected(message, engine_code=_code_of(text))
    return StoreUnavailable(message)


def query_failure(text: str, *, guest: bool = False) -> GatewayFault:
    """What a failed statement means. Its author may read the engine's words, so they are kept."""
    name = _name_of(text)
    if not name:
        return StoreUnavailable("The trace store cannot answer.")
    if _AWAY.fullmatch(name) and not (guest and _OWN_FAULT.fullmatch(name)):
        return StoreUnavailable(f"The trace store cannot answer: {name}.")
    return StoreRejected(_VERSION.sub("", text).strip()[:2000], engine_code=_code_of(text))
