"""Envoy's messages of external processors by protobuf's own runtime, described apart from the gateway's numbers."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Names, numbers and types of the fields; ``*`` for a list, ``|`` for one of several. What nobody here writes is left
# out. Where the published definitions are at hand, a test compares them.
FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "HeaderValue": {"key": (1, "string"), "value": (2, "string"), "raw_value": (3, "bytes")},
    "HeaderMap": {"headers": (1, "*HeaderValue")},
    "HeaderValueOption": {
        "header": (1, "HeaderValue"),
        "append_action": (3, "int32"),
        "keep_empty_value": (4, "bool"),
    },
    "HttpHeaders": {"headers": (1, "HeaderMap"), "end_of_stream": (3, "bool")},
    "HttpBody": {"body": (1, "bytes"), "end_of_stream": (2, "bool")},
    "HttpTrailers": {"trailers": (1, "HeaderMap")},
    "ProtocolConfiguration": {
        "request_body_mode": (1, "int32"),
        "response_body_mode": (2, "int32"),
        "send_body_without_waiting_for_header_response": (3, "bool"),
    },
    "ProcessingRequest": {
        "request_headers": (2, "|HttpHeaders"),
        "response_headers": (3, "|HttpHeaders"),
        "request_body": (4, "|HttpBody"),
        "response_body": (5, "|HttpBody"),
        "request_trailers": (6, "|HttpTrailers"),
        "response_trailers": (7, "|HttpTrailers"),
        "observability_mode": (10, "bool"),
        "protocol_config": (11, "ProtocolConfiguration"),
    },
    "HeaderMutation": {"set_headers": (1, "*HeaderValueOption"), "remove_headers": (2, "*string")},
    "StreamedBodyResponse": {"body": (1, "bytes"), "end_of_stream": (2, "bool")},
    "BodyMutation": {
        "body": (1, "|bytes"),
        "clear_body": (2, "|bool"),
        "streamed_response": (3, "|StreamedBodyResponse"),
    },
    "CommonResponse": {
        "status": (1, "int32"),
        "header_mutation": (2, "HeaderMutation"),
        "body_mutation": (3, "BodyMutation"),
    },
    "HeadersResponse": {"response": (1, "CommonResponse")},
    "BodyResponse": {"response": (1, "CommonResponse")},
    "TrailersResponse": {"header_mutation": (1, "HeaderMutation")},
    "HttpStatus": {"code": (1, "int32")},
    "ImmediateResponse": {
        "status": (1, "HttpStatus"),
        "headers": (2, "HeaderMutation"),
        "body": (3, "bytes"),
        "details": (5, "string"),
    },
    "ProcessingResponse": {
        "request_headers": (1, "|HeadersResponse"),
        "response_headers": (2, "|HeadersResponse"),
        "request_body": (3, "|BodyResponse"),
        "response_body": (4, "|BodyResponse"),
        "request_trailers": (5, "|TrailersResponse"),
        "response_trailers": (6, "|TrailersResponse"),
        "immediate_response": (7, "|ImmediateResponse"),
    },
}
_PLAIN = {"string": 9, "bytes": 12, "bool": 8, "int32": 5}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3


def _described() -> dict[str, Any]:
    file: Any = descriptor_pb2.FileDescriptorProto(name="ext_proc_tests.proto", package="tests", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, (number, written) in fields.items():
            kind = written.lstrip("*|")
            made = message.field.add(name=field, number=number, type=_PLAIN.get(kind, _MESSAGE))
            made.label = _REPEATED if written.startswith("*") else _OPTIONAL
            if kind not in _PLAIN:
                made.type_name = f".tests.{kind}"
            if written.startswith("|"):
                if not message.oneof_decl:
                    message.oneof_decl.add(name="kind")
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tests.{name}")) for name in FIELDS}


CLASSES = _described()
FULL_DUPLEX, BUFFERED, STREAMED, NONE = 4, 2, 1, 0


def head(kind: str, lines: dict[str, str], *, last: bool = False, modes: tuple[int, int, bool] | None = None) -> bytes:
    """A head as Envoy sends it; the first has how the filter is configured."""
    request = CLASSES["ProcessingRequest"]()
    content = getattr(request, kind)
    for name, value in lines.items():
        content.headers.headers.add(key=name, raw_value=value.encode("latin-1"))
    content.end_of_stream = last
    getattr(request, kind).SetInParent()
    if modes is not None:
        config = request.protocol_config
        config.request_body_mode, config.response_body_mode = modes[0], modes[1]
        config.send_body_without_waiting_for_header_response = modes[2]
        config.SetInParent()
    return request.SerializeToString()


def body(kind: str, data: bytes, *, last: bool) -> bytes:
    """A piece of a body as Envoy sends it."""
    request = CLASSES["ProcessingRequest"]()
    content = getattr(request, kind)
    content.body, content.end_of_stream = data, last
    content.SetInParent()
    return request.SerializeToString()


def trailers(kind: str, lines: dict[str, str]) -> bytes:
    """Trailers as Envoy sends them."""
    request = CLASSES["ProcessingRequest"]()
    for name, value in lines.items():
        getattr(request, kind).trailers.headers.add(key=name, raw_value=value.encode())
    getattr(request, kind).SetInParent()
    return request.SerializeToString()


def told(message: bytes) -> Any:
    """What the gateway answers."""
    return CLASSES["ProcessingResponse"].FromString(message)


def put(mutation: Any) -> dict[str, str]:
    """The lines that a mutation sets."""
    return {each.header.key: each.header.raw_value.decode("latin-1") for each in mutation.set_headers}
