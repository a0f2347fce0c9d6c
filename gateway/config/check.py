"""What no single key shows: names that lead nowhere, things given twice, parts that cannot work together."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec

from gateway.config.addresses import is_rpc, points_at
from gateway.config.environment import Outside
from gateway.config.routes import fallback_candidates, mirror_candidate
from gateway.config.routing import CandidateSpec, ModelSpec
from gateway.config.schema import FileSpec
from gateway.config.settings import Listen, ProviderEntry, Settings
from gateway.config.source import Document, Problem
from gateway.config.validation import suggestion
from gateway.core.placeholders import MODEL, holders, used

# Of the extra triton.
_RPC = ("grpc", "tritonclient")


def check_file(spec: FileSpec, document: Document) -> Iterator[Problem]:
    """Check that the file agrees with itself."""
    # Providers as written: one that is wrong in itself has been reported, and still exists for those who name it.
    written = {str(path[1]) for path in document.lines if len(path) == 2 and path[0] == "providers"}
    providers = {"sim", *written}
    aliases = {model.alias: model for model in spec.models}
    for index, model in enumerate(spec.models):
        yield from _to_nowhere(document, index, model, providers, aliases)
        yield from _misnamed(document, index, model, providers, aliases)
        yield from _without_effect(document, index, model, providers, aliases)
        if model.probe is not None and _nameless(model, spec):
            message = "asks for models by name: give each candidate a model of its own"
            yield document.problem(("models", index, "probe"), message)
    for index, limit in enumerate(spec.limits):
        for name in limit.match.provider:
            if not _is_glob(name) and name not in providers | {"upstream"}:
                hint = suggestion(name, providers)
                yield document.problem(("limits", index, "match", "provider"), f"no provider is named '{name}'{hint}")
    yield from _twice(document, "models", "alias", [model.alias for model in spec.models])
    yield from _twice(document, "identity.keys", "id", [key.id for key in spec.identity.keys])
    yield from _twice(document, "plugins", "", list(spec.plugins))
    yield from _twice(document, "policies.bundle", "", list(spec.policies.bundle))


def _misnamed(
    document: Document, index: int, model: ModelSpec, providers: set[str], aliases: Mapping[str, ModelSpec]
) -> Iterator[Problem]:
    """Find models whose placeholders stand for nothing."""
    known = holders(model.alias)
    at = ("models", index)
    for number, candidate in enumerate(model.candidates):
        for holder in used(candidate.model):
            if holder not in known:
                message = f"'{holder}' stands for nothing in '{model.alias}'{suggestion(holder, known)}"
                yield document.problem((*at, "candidates", number, "model"), message)
    if model.mirror is not None:
        for holder in used(mirror_candidate(model.mirror).model):
            if holder not in known:
                message = f"'{holder}' stands for nothing in '{model.alias}'{suggestion(holder, known)}"
                yield document.problem((*at, "mirror", "to"), message)
    for number, name in enumerate(model.fallback):
        can = (MODEL,) if name in aliases else known
        for holder in (each for one in fallback_candidates(name, providers, aliases) for each in used(one.model)):
            if holder not in can:
                hint = "" if name in aliases else suggestion(holder, known)
                message = f"'{holder}' of '{name}' stands for nothing in '{model.alias}'{hint}"
                yield document.problem((*at, "fallback", number), message)


def _to_nowhere(
    document: Document, index: int, model: ModelSpec, providers: set[str], aliases: Mapping[str, ModelSpec]
) -> Iterator[Problem]:
    """Find deployments of an alias whose provider there is none of."""
    named: dict[tuple[str | int, ...], str]
    named = {("candidates", number, "provider"): each.provider for number, each in enumerate(model.candidates)}
    if model.mirror is not None:
        named["mirror", "to"] = mirror_candidate(model.mirror).provider
    for path, provider in named.items():
        if provider not in providers:
            hint = suggestion(provider, providers)
            yield document.problem(("models", index, *path), f"no provider is named '{provider}'{hint}")
    for number, name in enumerate(model.fallback):
        if name == model.alias or not fallback_candidates(name, providers, aliases):
            message = f"'{name}' is neither another alias nor the provider/model of a configured provider"
            yield document.problem(("models", index, "fallback", number), message)


def _without_effect(
    document: Document, index: int, model: ModelSpec, providers: set[str], aliases: Mapping[str, ModelSpec]
) -> Iterator[Problem]:
    """Find what is said of an alias and could never come to anything."""
    stand_ins = (each for name in model.fallback for each in fallback_candidates(name, providers, aliases))
    if model.queue is not None and not any(each.concurrency for each in (*model.candidates, *stand_ins)):
        yield document.problem(("models", index, "queue"), "no candidate has a concurrency, so that none is ever full")
    number = len(model.candidates)
    if model.outlier is not None and model.outlier.most and min(number - 1, int(model.outlier.most * number)) < 1:
        message = "of so few candidates that share is none, so that none is ever left alone"
        yield document.problem(("models", index, "outlier"), message)
    if number + len(model.fallback) < 2:
        for place, candidate in enumerate(model.candidates):
            if candidate.context_window is not None:
                message = "nobody else could have what is too long for it: it needs another candidate, or a fallback"
                yield document.problem(("models", index, "candidates", place, "context_window"), message)
    if model.hedge is not None and number + len(model.fallback) < 2:
        message = "needs a second deployment: another candidate, or a fallback"
        yield document.problem(("models", index, "hedge"), message)


def check_settings(settings: Settings, document: Document, outside: Outside) -> Iterator[Problem]:
    """Check that the whole can work together."""
    tls = settings.listen.tls
    # That one of them is missing has been said.
    if tls is not None and tls.cert.is_file() and tls.key.is_file():
        try:
            # Nobody is there to be asked for a password.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, lambda: "")
        except OSError:
            message = "the certificate and the key are no PEM files, or do not belong together, or the key is encrypted"
            yield document.problem(("listen", "tls"), message)
    missing = [name for name in _RPC if find_spec(name) is None]
    if settings.listen.grpc is not None and missing:
        message = f"gRPC needs packages that are not installed: pip install 'weighbridge[triton]' ({missing[0]})"
        yield document.problem(("listen", "grpc"), message)
    if settings.listen.grpc is not None and tls is not None:
        yield document.problem(("listen", "grpc"), "gRPC for clients is not yet available with listen.tls")
    if settings.listen.ext_proc is not None:
        yield from _check_ext_proc(document, outside, tls=tls is not None)
    for name, entry in settings.providers.items():
        for key in _leads_back(entry, settings.listen):
            yield document.problem(("providers", name, *key), "is this gateway's own address")
        if missing and is_rpc(entry.base_url):
            message = f"gRPC needs packages that are not installed: pip install 'weighbridge[triton]' ({missing[0]})"
            yield document.problem(("providers", name, "base_url"), message)
    yield from _check_counting(settings, document, outside)


def _check_ext_proc(document: Document, outside: Outside, *, tls: bool) -> Iterator[Problem]:
    """Check that Envoy can be served by gRPC."""
    message = ""
    if find_spec("grpc") is None:
        message = "needs a package that is not installed: pip install 'weighbridge[otel]'"
    elif tls:
        message = "is not yet available with listen.tls"
    override = outside.get("ext_proc")
    if message:
        at = document.problem(("listen", "ext_proc"), message)
        yield at if override is None else Problem(override.source, 0, message)


def _check_counting(settings: Settings, document: Document, outside: Outside) -> Iterator[Problem]:
    """Check that workers who count apart have nothing to count together: neither limits nor keys' own budgets."""
    what = "limits" if settings.limits else "the budgets of keys" if any(k.budget for k in settings.keys) else ""
    if not what or not settings.counted_apart:
        return
    override = outside.get("workers")
    message = (
        f"more than one worker cannot count {what} together in memory://; set stores: {{state: redis://host:6379/0}}, "
        f"or workers: 1, or remove {what}"
    )
    if override is None:
        yield document.problem(("workers",), message)
    else:
        yield Problem(override.source, 0, message)


def _leads_back(entry: ProviderEntry, listen: Listen) -> Iterator[tuple[str, ...]]:
    """Keys of a provider that lead to where we listen ourselves."""
    if entry.load is not None and points_at(entry.load.url, listen.address):
        yield "load", "url"
    if listen.grpc is not None and points_at(entry.base_url, listen.grpc):
        yield ("base_url",)


def notices(settings: Settings) -> Iterator[str]:
    """What works, and may not be what was meant."""
    address = settings.listen.address
    if not settings.modes and not address.is_loopback and any(p.api_key for p in settings.providers.values()):
        yield f"identity.mode is open and {address} is no loopback address: whoever reaches it uses your provider keys"
    asked = ("key", "team", "tenant")
    if not settings.modes and any(r.scope in asked or r.match.keys() & set(asked) for r in settings.limits):
        yield "identity.mode is open: every caller has the same empty key, team and tenant in limits"
    for name in sorted({row.provider for row in settings.prices.rows} - settings.providers.keys()):
        yield f"prices for '{name}', which is no configured provider"


def _twice(document: Document, where: str, key: str, values: Iterable[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        path = (*where.split("."), index, *((key,) if key else ()))
        if value in first:
            yield document.problem(path, f"'{value}' is there already, on line {first[value]}")
        else:
            first[value] = document.line(path)


def _nameless(model: ModelSpec, spec: FileSpec) -> bool:
    """Whether some candidate is asked for whatever a client names."""

    def own(candidate: CandidateSpec) -> bool:
        provider = spec.providers.get(candidate.provider)
        return not used(candidate.model) or (provider is not None and bool(provider.model))

    return _is_glob(model.alias) and not all(own(each) for each in model.candidates)


def _is_glob(name: str) -> bool:
    return bool({"*", "?", "["} & set(name))
