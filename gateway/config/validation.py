"""From a document to a checked model: every error at once, with its line, in words for the person who edits the file.

One error must not hide the next: what is wrong is cut out and the rest is validated again, so that the checks that
follow (references, policies, prices) see everything that could be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, cast, get_args, get_origin

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError

from gateway.config.source import Document, NodePath, Problem

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

NOT_YET = "not yet available"
# Each pass cuts out at least one thing; a file that needs more has told its owner enough.
_MAX_PASSES = 8


def not_yet(what: str = "") -> PydanticCustomError:
    """Make the error for a thing that the contract names and that is not built.

    Args:
        what: The thing, when the key alone does not say it.
    """
    return PydanticCustomError("not_yet_available", "{what}", {"what": f"{what} is {NOT_YET}" if what else NOT_YET})


def _refuse(_: object) -> None:
    raise not_yet()


# A key of the contract that is not built: refused wherever it stands, and shown to editors as never valid.
NotYet = Annotated[None, BeforeValidator(_refuse), WithJsonSchema({"not": {}, "description": NOT_YET})]
# A list in the file, a tuple in the model.
Many = Annotated[tuple[T, ...], Field(strict=False)]


class Strict(BaseModel):
    """Base of everything that a file can hold: frozen, no unknown key, no coercion.

    A key without a value counts as not written, and a section that is not written as one with nothing in it.
    """

    # Built with the root model, once, instead of each on its own at import.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _fill_sections(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        known = _keys(cls)
        written = {k: v for k, v in cast("dict[str, Any]", data).items() if v is not None or k not in known}
        empty: dict[str, Any] = {key: {} for key in _sections(cls) if key not in written}
        return {**empty, **written}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> dict[str, Any]:
        """Describe the model for editors: a section that may be left out is not required."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        required = [key for key in schema.get("required", ()) if key not in _sections(cls)]
        schema.pop("required", None)
        return {**schema, "required": required} if required else schema


class Checked(msgspec.Struct, Generic[T], frozen=True):
    """What came of validating a document.

    Attributes:
        value: The model; where there are problems, what was left after they were cut out, or ``None``.
        document: The document that ``value`` was made of: its paths are those of ``value``, its lines the file's.
        problems: Everything that is wrong, in the file's order.
    """

    value: T | None
    document: Document
    problems: tuple[Problem, ...]


def validated(model: type[M], document: Document) -> Checked[M]:
    """Validate a document.

    Args:
        model: What the document should be.
        document: As read; its own problems are passed on.
    """
    problems = list(document.problems)
    if document.data is None and problems:
        return Checked(None, document, tuple(problems))
    if document.data is None:
        document = msgspec.structs.replace(document, data={})
    if not isinstance(cast("object", document.data), dict):
        return Checked(None, document, (*problems, document.problem((), "should be a mapping")))
    for number in range(_MAX_PASSES):
        try:
            value = model.model_validate(document.data)
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
            paths = [_located(model, detail)[0] for detail in details]
            if number == 0:
                problems += _problems(model, document, details)
            smaller = _cut(document, set(paths))
            if smaller is None:
                break
            document = smaller
        else:
            return Checked(value, document, tuple(sorted(problems, key=lambda p: p.line)))
    return Checked(None, document, tuple(sorted(problems, key=lambda p: p.line)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


_PLAIN = {
    "missing": "required",
    "union_tag_not_found": "required",
    "model_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "too_short": "should name at least one",
    "string_too_short": "should not be empty",
    "string_type": "should be text (quote what looks like a number)",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
}


def _problems(model: type[BaseModel], document: Document, details: list[ErrorDetails]) -> Iterator[Problem]:
    located = [_located(model, detail) for detail in details]
    for (path, _), detail in zip(located, details, strict=True):
        # A list whose items are all wrong is not also too short.
        within = any(other[: len(path)] == path and other != path for other, _ in located)
        if not (within and detail["type"] == "too_short"):
            yield document.problem(path, _message(model, path, detail))


def _message(model: type[BaseModel], path: NodePath, error: ErrorDetails) -> str:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "extra_forbidden":
        # A key that is not built has no type but None.
        holder = _model_in(_located(model, {**error, "loc": error["loc"][:-1]})[1])
        known = [key for key, kind in (_keys(holder) if holder else {}).items() if kind is not NoneType]
        return f"unknown key{suggestion(str(path[-1]), known)}"
    if kind == "union_tag_invalid":
        known = re.findall(r"'([^']*)'", context["expected_tags"])
        return f"there is none called '{context['tag']}'{suggestion(str(context['tag']), known)}"
    if kind == "literal_error":
        return f"should be {context.get('expected', 'something else')}"
    if kind == "not_yet_available":
        return error["msg"]
    if kind == "value_error":
        return str(context.get("error", "not valid"))
    message = error["msg"]
    for lead in ("Input should be ", "String should ", "Value should "):
        if message.startswith(lead):
            return f"should be {message[len(lead) :]}" if lead.startswith("Input") else f"should {message[len(lead) :]}"
    return message[:1].lower() + message[1:]


def _located(model: type[BaseModel], error: ErrorDetails) -> tuple[NodePath, Any]:
    """Where in the document an error is, and what stands there by the model.

    Pydantic puts into a location which of several models was tried; the document has no such step.
    """
    annotation: Any = model
    path: NodePath = ()
    for step in error["loc"]:
        meant = _model_called(annotation, step)
        if meant is not None:
            annotation = meant
        # An error in a mapping's key ends in this marker; the key itself is what the line belongs to.
        elif step != "[key]":
            path += (step,)
            annotation = _below(annotation, step)
    if error["type"].startswith("union_tag_"):
        # The whole is named; what is wrong is the word that should say which one it is.
        path += (str(error.get("ctx", {}).get("discriminator", "")).strip("'"),)
    return path, annotation


def _below(annotation: Any, step: int | str) -> Any:
    found = _model_in(annotation)
    if found is not None:
        return _keys(found).get(str(step))
    arguments = get_args(_container_in(annotation))
    return arguments[-1 if isinstance(step, str) else 0] if arguments else None


def _has(node: Any, step: int | str) -> bool:
    if isinstance(node, dict):
        return step in node
    return isinstance(node, list) and isinstance(step, int) and step < len(cast("list[Any]", node))


@cache
def _keys(model: type[BaseModel]) -> dict[str, Any]:
    return {str(field.validation_alias or name): field.annotation for name, field in model.model_fields.items()}


@cache
def _sections(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(key for key, kind in _keys(model).items() if isinstance(kind, type) and issubclass(kind, Strict))


def _parts(annotation: Any) -> Iterable[Any]:
    """The alternatives that an annotation stands for, wrappers removed."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (tuple, dict) or isinstance(annotation, type):
        return (annotation,)
    return [part for argument in get_args(annotation) for part in _parts(argument)]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for part in _parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _model_called(annotation: Any, tag: int | str) -> type[BaseModel] | None:
    """Which of several models has a field that can only be this word."""
    models = [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    if len(models) < 2:
        return None
    return next((m for m in models if any(tag in get_args(kind) for kind in _keys(m).values())), None)


def _container_in(annotation: Any) -> Any:
    return next((part for part in _parts(annotation) if get_origin(part) in (tuple, dict)), None)


def _cut(document: Document, paths: set[NodePath]) -> Document | None:
    """A document without what stands at these paths, or at the nearest thing above that exists; ``None`` if nothing is.

    Items of a list move up; ``origin`` of the result says from where, so that messages stay right.
    """
    gone = {_existing(document.data, path) for path in paths} - {()}
    if not gone:
        return None
    origin: dict[NodePath, NodePath] = {}

    def copy(node: Any, was: NodePath, now: NodePath) -> Any:
        if isinstance(node, dict):
            entries = cast("Mapping[str, Any]", node)
            return {
                key: copy(value, (*was, key), (*now, key)) for key, value in entries.items() if (*was, key) not in gone
            }
        if isinstance(node, list):
            kept: list[Any] = []
            for index, item in enumerate(cast("list[Any]", node)):
                if (*was, index) not in gone:
                    origin[(*now, len(kept))] = document.source_path((*was, index))
                    kept.append(copy(item, (*was, index), (*now, len(kept))))
            return kept
        return node

    return msgspec.structs.replace(document, data=copy(document.data, (), ()), origin=origin)


def _existing(data: Any, path: NodePath) -> NodePath:
    node = data
    for depth, step in enumerate(path):
        if not _has(node, step):
            return path[:depth]
        node = node[step]
    return path
