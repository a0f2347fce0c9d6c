"""From detectors and lists as written to detectors as guards run them: options checked, lists looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, cast

import msgspec
import orjson

from gateway.clients.identifiers import phone_regions
from gateway.config.source import NodePath
from gateway.config.validation import suggestion
from gateway.core.pattern_width import PatternRefused, bound_gaps, shape
from gateway.core.scored import NAMES
from gateway.core.verdict import DetectorSpec, OnError, PatternSpec
from gateway.policy.detectors import (
    KINDS,
    AnyDetector,
    ForeignDetector,
    JsonSchemaDetector,
    PatternDetector,
    SecretsDetector,
    UrlEgressDetector,
)
from gateway.policy.lists import lines_of, parse_values
from gateway.policy.report import Report
from gateway.policy.rulesets import choose, rules_named, unknown
from gateway.policy.scored import ImageTextDetector, InjectionDetector, PiiDetector
from gateway.policy.sources import PolicyFile
from gateway.policy.tool_rules import ToolsDetector

_WORDS = frozenset({"and", "or", "not"})
_DEFAULT = "default"
# What the text of an image may be given to.
_READ_BY = ("injection", "pattern", "pii", "secrets", "toxicity", "unicode", "url_egress")
# Loaded when a bundle first looks for personal data: nobody else pays for its tables.
_PERSONAL = "gateway.policy.pii.catalogue"

# A list as detectors read it: {"type": …, "values": […]}.
CompiledList = dict[str, Any]


class DetectorCompiler:
    """Compiles lists, detectors and what is said of their failures.

    Args:
        files: In order.
        report: Takes what is wrong.
        kinds: Kinds of detectors that plugins bring.

    Attributes:
        detectors: By name, in the order of the files.
        used_lists: Names that a detector refers to.
    """

    def __init__(self, files: Sequence[PolicyFile], report: Report, kinds: frozenset[str] = frozenset()) -> None:
        self._files = files
        self._kinds = kinds
        self._report = report
        self._lists: dict[str, CompiledList] = {}
        self.detectors: dict[str, DetectorSpec] = {}
        self.used_lists: set[str] = set()

    def take(self, file: PolicyFile) -> None:
        """Compile a file's lists and detectors."""
        for name in file.spec.lists:
            self._take_list(file, name)
        for name, spec in (*file.spec.detectors.items(), *file.spec.foreign.items()):
            self._take_detector(file, name, spec)

    def finish(self) -> None:
        """Give every detector its rule for failures; the file that extends has the last word."""
        for file in self._files:
            known = {*names_in(self._files, file, "detectors"), _DEFAULT}
            for name, on_error in file.spec.on_error.items():
                self._check_on_error(file, name, on_error, known)
            self._check_readers(file)
        for name, spec in self.detectors.items():
            found: OnError = "block"
            for file in self._files:
                if name in file.spec.detectors or name in file.spec.foreign:
                    found = file.spec.on_error.get(_DEFAULT, found)
            for file in self._files:
                found = file.spec.on_error.get(name, found)
            self.detectors[name] = msgspec.structs.replace(spec, on_error=found)

    def _check_readers(self, file: PolicyFile) -> None:
        """What reads images has others judge what they say: those that judge a text."""
        known = names_in(self._files, file, "detectors")
        for name, spec in file.spec.detectors.items():
            if not isinstance(spec, ImageTextDetector):
                continue
            for number, other in enumerate(spec.detectors):
                path = ("detectors", name, "detectors", number)
                if other not in known:
                    message = f"no detector of this file is named '{other}'{suggestion(other, known)}"
                    self._report.problem(file, path, message)
                elif (use := self.detectors[other].use) not in _READ_BY:
                    message = f"'{other}' (use: {use}) judges no text by itself; it can be one of {', '.join(_READ_BY)}"
                    self._report.problem(file, path, message)

    def _check_on_error(self, file: PolicyFile, name: str, on_error: OnError, known: set[str]) -> None:
        path = ("on_error", name)
        if name not in known:
            self._report.problem(file, path, f"no detector is named '{name}'{suggestion(name, known)}")
        spec = self.detectors.get(name)
        if on_error == "rules_only" and (name == _DEFAULT or (spec is not None and spec.use != "injection")):
            self._report.problem(file, path, "rules_only goes with use: injection; say block, allow or annotate")

    def _take_list(self, file: PolicyFile, name: str) -> None:
        spec, path = file.spec.lists[name], ("lists", name)
        attached = file.attached.get((*path, "file"))
        numbered = list(lines_of(attached.text)) if attached is not None else list(enumerate(spec.values))
        values, wrong = parse_values(spec.type, [value for _, value in numbered])
        for index, message in wrong:
            if attached is None:
                self._report.problem(file, (*path, "values", index), message)
            else:
                line = numbered[index][0] if index < len(numbered) else 0
                self._report.problem(file, (*path, "file"), f"{attached.name}:{line}: {message}")
        compiled: CompiledList = {"type": spec.type, "values": values}
        if self._lists.get(name) != compiled and self._report.first(file, "list", name, path):
            self._lists[name] = compiled

    def _take_detector(self, file: PolicyFile, name: str, spec: AnyDetector) -> None:
        path = ("detectors", name)
        if name in _WORDS or name == _DEFAULT:
            self._report.problem(file, path, f"'{name}' is a word of the language; choose another name")
        if isinstance(spec, ForeignDetector) and spec.use not in self._kinds:
            hint = suggestion(spec.use, KINDS | self._kinds)
            self._report.problem(file, (*path, "use"), f"there is none called '{spec.use}'{hint}")
        options = self._options(file, path, spec)
        patterns = tuple(self._patterns(file, path, spec))
        detector = DetectorSpec(
            name=name,
            use=spec.use,
            patterns=patterns,
            options=options,
            timeout_s=spec.time_limit_s,
            min_score=spec.least_score,
        )
        # Two files may both say `keys: {use: secrets}`; they mean the same.
        if self.detectors.get(name) != detector and self._report.first(file, "detector", name, path):
            self.detectors[name] = detector

    def _options(self, file: PolicyFile, path: NodePath, spec: AnyDetector) -> dict[str, Any]:
        options = spec.options()
        if isinstance(spec, UrlEgressDetector):
            options["allow"] = self._hosts(file, (*path, "allow"), spec.allow)
        elif isinstance(spec, ToolsDetector):
            for index, tool in enumerate(options.get("allow", [])):
                for argument, rule in tool.get("args", {}).items():
                    for word in ("in", "all_in"):
                        if word in rule:
                            where = (*path, "allow", index, "args", argument, word)
                            rule[word] = self._list(file, where, rule[word])
        elif isinstance(spec, JsonSchemaDetector) and isinstance(spec.schema_, str):
            options["schema"] = self._schema(file, (*path, "schema"))
        elif isinstance(spec, PatternDetector) and reads_text_as_it_is(spec):
            options = {}
        return options

    def _hosts(self, file: PolicyFile, path: NodePath, written: str | Sequence[str]) -> CompiledList:
        if not isinstance(written, str):
            return {"type": "host", "values": list(written)}
        found = self._list(file, path, written)
        if found["type"] != "host":
            self._report.problem(file, path, f"'{written}' is a list of type {found['type']}; one of hosts is needed")
        return found

    def _list(self, file: PolicyFile, path: NodePath, name: str) -> CompiledList:
        known = names_in(self._files, file, "lists")
        self.used_lists.add(name)
        if name not in known:
            self._report.problem(file, path, f"no list of this file is named '{name}'{suggestion(name, known)}")
        return self._lists.get(name, {"type": "host", "values": []})

    def _schema(self, file: PolicyFile, path: NodePath) -> Any:
        attached = file.attached.get(path)
        if attached is None:
            return {}
        try:
            schema = cast("object", orjson.loads(attached.text))
        except orjson.JSONDecodeError:
            schema = None
        if not isinstance(schema, dict):
            self._report.problem(file, path, f"{attached.name} holds no JSON object")
            return {}
        return cast("Any", schema)

    def _patterns(self, file: PolicyFile, path: NodePath, spec: AnyDetector) -> Iterator[PatternSpec]:
        if isinstance(spec, SecretsDetector):
            yield from self._secrets(file, path, spec)
        if isinstance(spec, PiiDetector):
            yield from self._personal(file, path, spec)
        if isinstance(spec, PatternDetector):
            yield from self._own_patterns(file, path, spec)
        if isinstance(spec, InjectionDetector) and spec.rules != spec.use:
            self._report.problem(file, (*path, "rules"), "a rule file of one's own is not yet available")

    def _secrets(self, file: PolicyFile, path: NodePath, spec: SecretsDetector) -> Iterator[PatternSpec]:
        attached = file.attached.get((*path, "rules"))
        loaded = rules_named(spec.rules, *((attached.name, attached.text) if attached is not None else ("", "")))
        if loaded is None:
            # A file that cannot be read has been reported.
            if not spec.rules.endswith((".yaml", ".yml")):
                message = f"should be secrets, or a file of your own{suggestion(spec.rules, ['secrets'])}"
                self._report.problem(file, (*path, "rules"), message)
            return
        self._report.problems += loaded.problems
        if loaded.rules is None:
            return
        for option, globs in (("kinds", spec.kinds), ("except", spec.except_)):
            for glob, hint in unknown(loaded.rules, globs):
                self._report.problem(file, (*path, option, globs.index(glob)), f"no kind matches '{glob}'{hint}")
        yield from choose(loaded.rules, kinds=spec.kinds, besides=spec.except_, require=spec.require, allow=spec.allow)

    def _personal(self, file: PolicyFile, path: NodePath, spec: PiiDetector) -> tuple[PatternSpec, ...]:
        entities = [entity for entity in spec.entities if entity not in NAMES]
        if not entities:
            return ()
        catalogue = import_module(_PERSONAL)
        countries: tuple[str, ...] = catalogue.COUNTRIES
        for index, country in enumerate(spec.countries):
            if country.upper() not in countries:
                message = f"no national numbers of {country} are known{suggestion(country.upper(), countries)}"
                self._report.problem(file, (*path, "countries", index), message)
        known = phone_regions() if spec.regions else frozenset[str]()
        for index, region in enumerate(spec.regions):
            if region.upper() not in known:
                message = f"no telephone numbers of {region} are known{suggestion(region.upper(), known)}"
                self._report.problem(file, (*path, "regions", index), message)
        patterns: tuple[PatternSpec, ...] = catalogue.pii_patterns(
            entities=entities,
            countries=[country.upper() for country in spec.countries],
            regions=[region.upper() for region in spec.regions if region.upper() in known],
            require=spec.require,
            private_ips=spec.private_ips,
            allow=spec.allow,
        )
        return patterns

    def _own_patterns(self, file: PolicyFile, path: NodePath, spec: PatternDetector) -> Iterator[PatternSpec]:
        label = str(path[1]).upper().replace("-", "_")
        for index, expression in enumerate(spec.patterns):
            try:
                longest = shape(expression).longest
            except PatternRefused as refusal:
                self._report.problem(file, (*path, "patterns", index), str(refusal))
                continue
            name = label if len(spec.patterns) == 1 else f"{label}_{index + 1}"
            if reads_text_as_it_is(spec):
                yield PatternSpec(name=name, expression=bound_gaps(expression), label=label, max_chars=longest)


def names_in(files: Sequence[PolicyFile], file: PolicyFile, section: str) -> set[str]:
    """Return what a file may name of a section: its own and that of what it extends."""
    return {name for number in file.sees for name in files[number].names[section]}


def reads_text_as_it_is(spec: PatternDetector) -> bool:
    """Whether patterns run on the text itself, and so in the common database and on streams."""
    return list(spec.views) == ["raw"]
