"""Which Gemini method a path names, and of which model: the model is in the path, and its name may hold slashes.

The same methods are offered below ``/v1beta/models`` by one of Google's services and below
``/v1/projects/{project}/locations/{location}/publishers/google/models`` by the other. Project and location are the
provider's business: what a client writes there is not passed on.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

import msgspec

from gateway.core.errors import AuthenticationFailed, MalformedRequest, MethodNotAllowed
from gateway.core.exchange import Incoming
from gateway.wire.request_target import check_target

GENERATE, STREAM, COUNT = "generateContent", "streamGenerateContent", "countTokens"
EMBED, EMBED_BATCH, PREDICT = "embedContent", "batchEmbedContents", "predict"
METHODS = frozenset((GENERATE, STREAM, COUNT, EMBED, EMBED_BATCH, PREDICT))
KEY_HEADER = b"x-goog-api-key"

_PATH = re.compile(
    r"(?P<prefix>/gemini)?/(?P<version>v1|v1beta|v1beta1|v1alpha)/(?P<vertex>(?:projects/[^/]+/locations/[^/]+/)?publishers/google/)?"
    r"(?P<collection>models|tunedModels)/(?P<model>.+):(?P<method>[A-Za-z]+)"
)
# A quick look that lets nearly everything else pass.
_MARKS = ("/models/", "/tunedModels/")
_BELOW = re.compile(r"/gemini(?:/|$)|/v1beta1?(?:/|$)|/v1alpha(?:/|$)|/v1/(?:projects|publishers)/")
# Answers that are not JSON, or have numbers where names are expected.
_FORMS = frozenset(("json", "sse", ""))
_OURS = frozenset(("alt", "$alt", "key"))
# Other ways in which Google takes a credential in the query; here it must not stand there.
_TOKENS = frozenset(("access_token", "oauth_token", "bearer_token"))


class Target(msgspec.Struct, frozen=True):
    """What a path asks for.

    Attributes:
        method: One of :data:`METHODS`.
        model: Decoded.
        collection: ``models`` or ``tunedModels``.
    """

    method: str
    model: str
    collection: str

    @property
    def route(self) -> str:
        """The template of the path, one for all its spellings."""
        return f"/v1beta/{self.collection}/{{model}}:{self.method}"

    def upstream(self, query: str) -> str:
        """Path and query below a provider's base URL; ``{model}`` stands for the name that the provider knows."""
        pairs = [part for part in query.split("&") if part and _name(part) not in _OURS]
        if self.method == STREAM:
            pairs.append("alt=sse")
        path = f"/{self.collection}/{{model}}:{self.method}"
        return f"{path}?{'&'.join(pairs)}" if pairs else path


def find(path: str, method: str) -> Target | None:
    """Read a path; ``None`` when it is none of Gemini's.

    Args:
        path: As it came.
        method: HTTP's.

    Raises:
        MethodNotAllowed: It is one, and this is no POST.
    """
    if not any(mark in path for mark in _MARKS):
        return None
    found = _PATH.fullmatch(path)
    if found is None or found["method"] not in METHODS:
        return None
    if method != "POST":
        if found["version"] == "v1" and not found["prefix"] and not found["vertex"]:
            # The name of a fine-tuned model, in a dialect that has GET and DELETE for it.
            return None
        raise MethodNotAllowed("This path takes POST.")
    check_target(path, "")
    model = unquote(found["model"])
    if not model.isprintable():
        raise MalformedRequest("The name of the model in the path has characters that cannot be printed.")
    return Target(found["method"], model, found["collection"])


def is_below(path: str) -> bool:
    """Say whether whoever asks for this path expects errors in Google's form."""
    return _BELOW.match(path) is not None or (
        any(mark in path for mark in _MARKS)
        and (found := _PATH.fullmatch(path)) is not None
        and found["method"] in METHODS
    )


def wants_array(query: str) -> bool:
    """Say whether a stream is wanted as one JSON array: what comes when nobody asks for events.

    Raises:
        MalformedRequest: Another form is asked for.
    """
    forms = [value.partition(";")[0] for name, value in _pairs(query) if name in ("alt", "$alt")]
    if not _FORMS.issuperset(forms):
        raise MalformedRequest("The parameter 'alt' must be 'json' or 'sse'.", param="alt")
    return "sse" not in forms


def take_key(incoming: Incoming) -> None:
    """Move the caller's credential from the query, where it must not stay, to the header that has the same meaning.

    Raises:
        AuthenticationFailed: The query and the header carry two different ones, or the query a token.
    """
    if not incoming.query:
        return
    pairs = _pairs(incoming.query)
    if not _TOKENS.isdisjoint(name for name, _ in pairs):
        raise AuthenticationFailed("A token in the query is not accepted; send it in the header Authorization.")
    keys = {value for name, value in pairs if name == "key" and value}
    if not keys:
        return
    secret = keys.pop().encode()
    known = incoming.headers.get(KEY_HEADER, secret)
    if keys or known != secret:
        raise AuthenticationFailed("The request carries two different API keys; send one.")
    # Requests with one head share what was read of it: theirs is not changed.
    incoming.headers = {**incoming.headers, KEY_HEADER: secret}
    incoming.query = "&".join(part for part in incoming.query.split("&") if _name(part) != "key")


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True)


def _name(part: str) -> str:
    return unquote(part.partition("=")[0].replace("+", " "))
