"""The pages say what is: commands, files, keys, metrics, tables and links are held against the product."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import orjson
import pytest
from pydantic import BaseModel

from gateway.app.models import Models
from gateway.app.policies import load_guards, load_policies
from gateway.cli.main import COMMANDS
from gateway.config.environment import Options
from gateway.config.interception import authority_files
from gateway.config.load import LoadResult, load_settings
from gateway.config.prices import PriceSpec, load_prices
from gateway.config.schema import FileSpec
from gateway.config.units import parse_bytes, parse_duration
from gateway.core import errors
from gateway.core.verdict import DetectorSpec
from gateway.operator.alert_view import alert_families
from gateway.operator.drift_families import drift_families
from gateway.operator.metrics import StoreHealth, operator_families, worker_families
from gateway.operator.otlp_families import otlp_families
from gateway.operator.readonly_sql import ReadonlySql
from gateway.operator.recorded import recorded_families
from gateway.operator.schema import migrate, shipped_migrations
from gateway.plugin import About
from gateway.plugin.loader import load_plugins
from gateway.plugin.testing import check_text
from gateway.plugin.traces import TraceDriver
from gateway.policy.model import PolicySpec
from gateway.policy.rulesets import shipped_secrets
from tests.support.docs_pages import PAGES, ROOT, blocks, commands, infos, quoted, read, rows
from tests.support.drivers import with_driver
from tests.support.scorers import Room

SECRETS_IN_EXAMPLES = {
    "WEIGHBRIDGE_NAMES_KEY": "k" * 32,
    "OPENAI_API_KEY": "a",
    "ANTHROPIC_API_KEY": "c",
    "AWS_ACCESS_KEY_ID": "d",
    "AWS_SECRET_ACCESS_KEY": "e",
    "GEMINI_API_KEY": "g",
    "SUPPORT_KEY": "b",
    "GRAFANA_TOKEN": "i",
    "ON_CALL_TOKEN": "j",
    "ALERT_SECRET": "c",
    "CH_PASSWORD": "p",
}
FAMILIES = (
    *worker_families([], 0),
    *operator_families(None, StoreHealth()),
    *recorded_families(None),
    *alert_families(None),
    *drift_families(None),
    *otlp_families(None),
)
METRICS = {family.name for family in FAMILIES}
CONFIGURATION = "docs/configuration.md"


# --- commands


def parsed(line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    groups = parser.add_subparsers(required=True)
    words = shlex.split(line, comments=True)[1:]
    for name, (module, _) in COMMANDS.items():
        if name == words[0]:
            importlib.import_module(module).register(groups)
    return parser.parse_args(words)


def test_there_are_commands_to_check() -> None:
    said = {shlex.split(line, comments=True)[1] for line in commands()}
    assert said == set(COMMANDS)


@pytest.mark.parametrize("line", commands())
def test_a_command_line_is_one_the_program_takes(line: str) -> None:
    try:
        parsed(line)
    except (SystemExit, argparse.ArgumentError) as error:
        pytest.fail(f"{line}: {error}")


@pytest.mark.parametrize("line", [line for line in commands() if " serve" in line])
def test_a_serve_line_starts_something(line: str, tmp_path: Path) -> None:
    asked = vars(parsed(line))
    for file in authority_files(tmp_path / ".weighbridge") if asked["intercept"] else ():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    given = {name: asked[name] for name in Options.__struct_fields__ if name in asked}
    # What only `check` is asked for.
    assert set(Options.__struct_fields__) - given.keys() == {"confirm_prices"}
    result = load_settings(Options(**given), {}, tmp_path)
    assert [str(problem) for problem in result.problems] == []


@pytest.mark.parametrize("line", [line for line in commands() if " spend " in line and " --by " in line])
def test_spend_is_asked_for_by_what_there_is(line: str) -> None:
    spend = importlib.import_module("gateway.cli.spend")
    names = {"tag" if name.startswith("tag:") else name for name in parsed(line).by.split(",")}
    assert names <= set(spend.DIMENSIONS)


def test_every_query_runs_on_the_tables_as_they_are() -> None:
    queries = [parsed(line).query for line in commands() if " sql " in line]
    assert len(queries) > 5

    async def scenario(driver: TraceDriver) -> None:
        await migrate(driver)
        readonly = ReadonlySql(driver)
        for query in queries:
            await readonly.run(query)

    with_driver("chdb", scenario)


# --- files


def at_home(tmp_path: Path) -> Path:
    """A folder with the examples of policies and prices, under the names that the configuration examples use."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "support.yaml").write_text(blocks("yaml policy")[0].body)
    (tmp_path / "prices.yaml").write_text(blocks("yaml prices")[0].body)
    return tmp_path


def loaded(folder: Path, text: str) -> LoadResult:
    (folder / "weighbridge.yaml").write_text(text)
    return load_settings(Options(), SECRETS_IN_EXAMPLES, folder)


def test_every_block_says_what_it_is() -> None:
    walked = {info for info in infos() if info == "console" or info.startswith("yaml file ")}
    assert infos() - walked == {
        *("json", "python", "yaml config", "yaml config-part", "yaml plugin-policy", "yaml policy", "yaml prices"),
        *("yaml policy-models", "yaml policy-part"),
    }


@pytest.mark.parametrize("block", blocks("yaml config"), ids=lambda block: block.page)
def test_an_example_of_a_configuration_is_one(block: Any, tmp_path: Path) -> None:
    result = loaded(at_home(tmp_path), block.body)
    assert [str(problem) for problem in result.problems] == []
    load_guards(result.policies)


@pytest.mark.parametrize("block", blocks("yaml config-part"), ids=lambda block: block.page)
def test_a_part_of_a_configuration_fits_into_one(block: Any, tmp_path: Path) -> None:
    result = loaded(at_home(tmp_path), "version: 1\n" + block.body)
    assert [str(problem) for problem in result.problems] == []
    load_guards(result.policies)


@pytest.mark.parametrize("block", blocks("yaml policy"), ids=lambda block: block.page)
def test_an_example_of_a_policy_passes_its_own_tests(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(block.body)
    load_guards((("example.yaml", file),))


@pytest.mark.parametrize("block", blocks("yaml policy-models"), ids=lambda block: block.page)
def test_an_example_of_a_policy_with_models_passes_its_own_tests(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(block.body)
    found = load_policies((("example.yaml", file),), models=Models(Room()))
    assert (found.tests, found.notices) == (4, ())


@pytest.mark.parametrize("block", blocks("yaml policy-part"), ids=lambda block: block.page)
def test_a_part_of_a_policy_fits_into_one(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text("apiVersion: weighbridge/v1\nkind: Policy\nmetadata: {name: n}\n" + block.body)
    load_guards((("example.yaml", file),))


@pytest.mark.parametrize("block", blocks("yaml plugin-policy"), ids=lambda block: block.page)
def test_an_example_of_a_policy_with_a_plugin_passes_its_own_tests(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(block.body)
    assert load_policies((("example.yaml", file),), plugins=("weighbridge_tickets",)).tests == 2


def test_an_example_of_a_plugin_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = [block.body for block in blocks("python") if "PLUGIN =" in block.body]
    (tmp_path / "shouting_example.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = load_plugins(["shouting_example"])
    assert plugins.problems == ()
    made: Any = plugins.builders()["plugin:shouting"](
        DetectorSpec(name="loud", use="plugin:shouting", options={"least": 3})
    )
    check_text(made, ["LOUD", "quiet", "LO"])
    assert [finding.kind for finding in made.find("LOUD", About("request"))] == ["shouting"]


@pytest.mark.parametrize("block", blocks("yaml prices"), ids=lambda block: block.page)
def test_an_example_of_prices_can_be_read(block: Any, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(block.body)
    prices, problems = load_prices(file, "prices.yaml")
    assert problems == ()
    assert prices


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.page)
def test_an_example_in_python_compiles(block: Any) -> None:
    compile(block.body, block.page, "exec")


@pytest.mark.parametrize("block", blocks("json"), ids=lambda block: block.page)
def test_an_example_in_json_is_json(block: Any) -> None:
    orjson.loads(block.body)


# --- keys


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def holds_many(annotation: Any) -> str:
    origins = {get_origin(annotation), *(get_origin(argument) for argument in get_args(annotation))}
    return "[]" if tuple in origins else ".NAME" if dict in origins else ""


def keys(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Every key that works, as the pages write its path, with its default."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if field.annotation is NoneType or " " in str(field.validation_alias):
            continue
        path = f"{prefix}{field.validation_alias or name}"
        inner = models_in(field.annotation)
        if inner:
            found |= keys(inner[0], f"{path}{holds_many(field.annotation)}.")
        else:
            found[path] = field.default
    return found


def documented() -> dict[str, list[str]]:
    """Rows of the table of keys, by key. ``a.b``, ``c`` in one cell stand for ``a.b`` and ``a.c``."""
    found: dict[str, list[str]] = {}
    for cells in rows(CONFIGURATION):
        if len(cells) == 5:
            names = quoted(cells[0])
            stem = names[0].rpartition(".")[0] if names else ""
            for name in names:
                found[name if "." in name or not stem else f"{stem}.{name}"] = cells
    return found


def row_of(path: str) -> list[str] | None:
    """The row of a key, or of the key above it when that row names it."""
    table = documented()
    parent, _, leaf = path.rpartition(".")
    above = table.get(parent)
    return table.get(path) or (above if above and f"`{leaf}`" in " ".join(above) else None)


@pytest.mark.parametrize("path", keys(FileSpec))
def test_every_key_that_works_is_documented(path: str) -> None:
    assert row_of(path) is not None


def test_no_key_is_documented_that_does_not_exist() -> None:
    known = set(keys(FileSpec))
    above = {path[:end] for path in known for end in (m.start() for m in re.finditer(r"\.|\[\]", path))}
    assert set(documented()) - known - above == set()


@pytest.mark.parametrize("path", keys(FileSpec))
def test_a_documented_default_is_the_default(path: str) -> None:
    cells, default = row_of(path), keys(FileSpec)[path]
    assert cells is not None
    said = quoted(cells[2])
    if path not in documented() or not said or not isinstance(default, (int, float)) or isinstance(default, bool):
        return
    units = {"bytes": parse_bytes, "duration": parse_duration, "hours": lambda text: parse_duration(text) / 3600}
    read_as = units.get(cells[1].partition(",")[0], float)
    assert read_as(said[0].removesuffix("%")) == default * (100 if said[0].endswith("%") else 1)


@pytest.mark.parametrize("path", keys(PolicySpec))
def test_every_key_of_a_policy_is_documented(path: str) -> None:
    leaf = path.rpartition(".")[2].removesuffix("[]")
    assert leaf in " ".join(quoted(read("docs/policy-reference.md")))


@pytest.mark.parametrize("key", keys(PriceSpec))
def test_every_key_of_a_price_is_documented(key: str) -> None:
    # What tiers say of a bucket is what a row says of it.
    assert f"`{key.rsplit('.', 1)[-1]}`" in read("docs/spend.md")


# --- names


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_is_documented(name: str) -> None:
    assert f"| `{name}` |" in read(CONFIGURATION)


@pytest.mark.parametrize("page", PAGES)
def test_no_metric_is_named_that_does_not_exist(page: str) -> None:
    assert (
        set(re.findall(r"\bweighbridge_[a-z_]+\b", read(page)))
        - METRICS
        - {"weighbridge_tickets", "weighbridge_webhook"}
        == set()
    )


def test_the_table_of_formats_is_that_of_the_detector() -> None:
    table = read("docs/secrets.md").partition("| kind | markers |\n| --- | --- |\n")[2]
    rows: dict[str, dict[str, None]] = {}
    for kind in shipped_secrets().kinds:
        rows.setdefault(kind.group, {})[f"`{kind.pattern.label}`"] = None
    assert table.splitlines() == [f"| {group} | {', '.join(labels)} |" for group, labels in rows.items()]


def codes(kind: type[errors.GatewayError]) -> set[str]:
    return {kind.code}.union(*(codes(each) for each in kind.__subclasses__()))


def test_documented_error_codes_exist() -> None:
    said = {
        code
        for cells in rows("docs/quickstart.md")
        if re.fullmatch(r"\d{3}(, \d{3})*", cells[0])
        for code in quoted(cells[1])
    }
    assert len(said) > 15
    assert said - codes(errors.GatewayError) == set()


def columns() -> dict[str, set[str]]:
    """Columns of the tables, by table, as the migrations declare them."""
    statements = [text for migration in shipped_migrations() for text in migration.statements]
    tables: dict[str, set[str]] = {}
    for text in statements:
        created = re.match(r"CREATE TABLE IF NOT EXISTS (\w+)\n\((.*?)\n\)", text, re.DOTALL)
        if created and created[1] != "ingest":
            lines = re.findall(r"^    (\w+) (?!by_)", created[2], re.MULTILINE)
            tables[created[1]] = set(lines) - {"INDEX"}
    return tables


@pytest.mark.parametrize("table", sorted(columns()))
def test_every_table_is_documented(table: str) -> None:
    assert f"`{table}`" in read("docs/traces.md")


@pytest.mark.parametrize("table", ["exchanges", "attempts", "guard_events", "bodies", "feedback"])
def test_every_column_is_documented(table: str) -> None:
    assert columns()[table] - set(quoted(read("docs/traces.md"))) == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", read(page))
    assert [target for target in targets if not (PAGES[page].parent / target).exists()] == []


# --- the first call


def test_the_readme_shows_what_a_start_prints() -> None:
    readme = read("README.md")
    base = "http://127.0.0.1:8080/v1"
    data = json.dumps({"model": "sim/echo", "messages": [{"role": "user", "content": "hello"}]}, separators=(",", ":"))
    curl = f"curl {base}/chat/completions -H \"Content-Type: application/json\" -d '{data}'"
    assert f"    {base}\n    http://127.0.0.1:8081\n    {curl}\n" in readme


def test_every_decision_is_listed() -> None:
    pages = {page.name for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    assert pages == set(re.findall(r"\]\((\d{4}-[a-z-]+\.md)\)", read("docs/decisions/README.md")))


def test_the_readme_stays_short() -> None:
    assert len(read("README.md").splitlines()) < 200
