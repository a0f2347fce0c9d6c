"""A user's own SQL on the trace store: one query of the trace tables, and nothing else.

The embedded engine runs in this process and could read any file that the process can, so a statement is checked before
it runs, by the engine's own parser: ``formatQuery`` takes it as a value and gives it back in one canonical form (one
statement, no comments), ``EXPLAIN AST`` shows that form's parts, and every part must be among those that are allowed.
What runs is the form that was checked, read-only and limited in rows, bytes, memory and time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from gateway.core.errors import StoreRejected
from gateway.plugin.traces import TraceDriver

MAX_CHARS = 100_000

_NAME = r"(?:`?(?P<database>\w+)`?\.)?`?(?P<table>\w+)`?"
_SHOW = re.compile(rf"SHOW TABLES|(?:SHOW CREATE TABLE|DESCRIBE TABLE|SHOW COLUMNS FROM) {_NAME}")
_EXPLAIN = re.compile(r"EXPLAIN (?:(?:PLAN|PIPELINE|ESTIMATE|SYNTAX|QUERY TREE|AST) )?(?=SELECT\b|WITH\b|\()")
_QUERY = re.compile(r"(?:SELECT|WITH)\b|\(")

_FORMATTED = "SELECT formatQuerySingleLine({text:String})"
_NODE = re.compile(r"(?P<indent> *)(?P<kind>[A-Za-z:]+)(?: (?P<rest>.*))?")
_TAIL = re.compile(r"(?:^| )(?:\(alias .*\))? ?(?:\(children (?P<children>\d+)\))?$")
# Nodes that show all that is below them. A node that hides something, as APPLY does its function, is not here.
_KIND = re.compile(
    r"Select(WithUnion|IntersectExcept)?Query|ExpressionList|Identifier|Function|Literal|(Qualified)?Asterisk"
    r"|Columns(Regexp|List)Matcher|ColumnsTransformerList|ColumnsExceptTransformer|ColumnsReplaceTransformer"
    r"|ColumnsReplaceTransformer::Replacement|TablesInSelectQuery(Element)?|Table(Expression|Identifier|Join)|ArrayJoin"
    r"|Subquery|WithElement|OrderByElement|WindowDefinition|WindowListElement|SampleRatio|InterpolateElement"
)
_PLAIN = re.compile(r"\w+(?:\.\w+)*")
_COMBINATORS = re.compile(
    r"(If|Array|Map|State|Merge|SimpleState|ForEach|Distinct|OrDefault|OrNull|Resample|Arg(Min|Max))$"
)

_TABLE_FUNCTIONS = frozenset({"numbers", "zeros", "generateseries", "generate_series", "values"})
_SYSTEM_TABLES = frozenset({"system.numbers", "system.one", "system.tables", "system.columns", "system.parts"})
_VOCABULARY = """
SELECT
    name,
    is_aggregate OR name IN ('lambda', 'exists', 'grouping', 'caseWithExpression', 'caseWithoutExpression')
        OR category IN ('Arithmetic', 'Arrays', 'Bit', 'Bitmap', 'Comparison', 'Conditional', 'Dates and Times',
            'Distance', 'Encoding', 'Financial', 'Geo', 'Geo Polygon', 'Hash', 'IP Address', 'JSON', 'Logical', 'Map',
            'Mathematical', 'Null', 'NumericIndexedVector', 'Random Number', 'Rounding', 'String',
            'String Replacement', 'String Search', 'String Splitting', 'Time Window', 'Tuple', 'Type Conversion',
            'URL', 'UUID') AND name != 'chdb'
        OR target IN ('bar', 'byteSize', 'currentDatabase', 'finalizeAggregation', 'formatReadableDecimalSize',
            'formatReadableQuantity', 'formatReadableSize', 'formatReadableTimeDelta', 'identity', 'ignore',
            'initializeAggregation', 'materialize', 'neighbor', 'rowNumberInAllBlocks', 'rowNumberInBlock',
            'runningAccumulate', 'runningDifference', 'toColumnTypeName', 'toTypeName', 'transform', 'version',
            'visibleWidth') AS allowed,
    is_aggregate
FROM
(
    SELECT
        f.name AS name,
        f.is_aggregate AS is_aggregate,
        if(f.alias_to = '', f.name, f.alias_to) AS target,
        if(f.alias_to = '', f.categories, t.categories) AS category
    FROM system.functions AS f
    LEFT JOIN system.functions AS t ON t.name = f.alias_to
)
"""


class Table(msgspec.Struct, frozen=True):
    """An answer: the columns in order, and one object a row."""

    columns: list[str]
    rows: list[dict[str, Any]]


class Node(msgspec.Struct, frozen=True):
    """A part of a statement: what it is, its name, how many parts it has, and what it is a part of."""

    kind: str
    name: str
    children: int
    parent: str


class _Vocabulary(msgspec.Struct, frozen=True):
    """Lower-case names: functions that may be called, those among them that aggregate, and those that may not."""

    allowed: frozenset[str]
    aggregates: frozenset[str]
    denied: frozenset[str]
    databases: frozenset[str]

    def may_call(self, name: str) -> bool:
        """Whether a function of this name may stand in an expression."""
        if name.lower() in self.allowed or name == "lambda":
            return True
        while (shorter := _COMBINATORS.sub("", name)) != name:
            if shorter.lower() in self.aggregates:
                return True
            name = shorter
        return False


class ReadonlySql:
    """Checks and runs users' statements.

    Args:
        driver: The engine. Statements run through its guest side.
    """

    def __init__(self, driver: TraceDriver) -> None:
        self._driver = driver
        self._vocabulary: _Vocabulary | None = None

    async def run(self, text: str) -> Table:
        """Run one statement.

        Raises:
            StoreRejected: It does more than read trace tables, is no SQL, or ran into a limit.
            StoreUnavailable: The store does not answer.
        """
        answer = await self._driver.query(await self.checked(text), fmt="JSON", guest=True)
        if not answer:
            return Table([], [])
        document = orjson.loads(answer)
        return Table([column["name"] for column in document["meta"]], document["data"])

    async def checked(self, text: str) -> str:
        """The canonical form of a statement that may run.

        Raises:
            StoreRejected: It may not.
        """
        sql = await self._canonical(text)
        if shown := _SHOW.fullmatch(sql):
            if shown["database"] not in (None, self._driver.database):
                raise StoreRejected(f"Only tables of the database '{self._driver.database}' can be looked at.")
            return sql
        explained = _EXPLAIN.match(sql)
        query = sql[explained.end() :] if explained else sql
        if not _QUERY.match(query):
            raise StoreRejected("Only SELECT, WITH, EXPLAIN, DESCRIBE and SHOW TABLES can be run here.")
        vocabulary = await self._words()
        # Not as a guest, whose answers may end early: what is not shown would not be checked.
        tree = (await self._driver.query(f"EXPLAIN AST {query}", fmt="TSVRaw")).decode()
        for node in nodes_of(tree):
            self._check(node, vocabulary)
        return sql

    async def _canonical(self, text: str) -> str:
        if len(text) > MAX_CHARS:
            raise StoreRejected(f"A statement may have {MAX_CHARS} characters.")
        params = {"text": text.strip().removesuffix(";")}
        try:
            sql = await self._driver.query(_FORMATTED, fmt="TSVRaw", params=params)
        except StoreRejected as error:
            # The engine goes on to quote the whole statement around the one that was given.
            said = error.public_message.partition(": In scope ")[0]
            raise StoreRejected(said, engine_code=error.engine_code) from None
        return sql.decode().strip()

    async def _words(self) -> _Vocabulary:
        if self._vocabulary is None:
            words = orjson.loads(await self._driver.query(_VOCABULARY))["data"]
            names = orjson.loads(await self._driver.query("SELECT name FROM system.databases"))["data"]
            denied = frozenset(word["name"].lower() for word in words if not word["allowed"])
            allowed = frozenset(word["name"].lower() for word in words if word["allowed"])
            aggregates = frozenset(word["name"].lower() for word in words if word["is_aggregate"])
            databases = frozenset(row["name"].lower() for row in names)
            special = {"exists", "grouping", "casewithexpression", "casewithoutexpression"}
            self._vocabulary = _Vocabulary((allowed | special) - denied, aggregates, denied - special, databases)
        return self._vocabulary

    def _check(self, node: Node, vocabulary: _Vocabulary) -> None:
        if not _KIND.fullmatch(node.kind):
            raise StoreRejected(f"This part of SQL cannot be used here: {node.kind}.")
        if node.kind == "SelectWithUnionQuery" and node.children != 1:
            raise StoreRejected("Leave out FORMAT, SETTINGS and INTO OUTFILE: the answer is JSON.")
        if node.kind == "Function":
            self._check_function(node, vocabulary)
        elif node.kind == "TableIdentifier":
            self._check_table(node.name)
        elif node.kind == "Identifier":
            self._check_identifier(node.name, vocabulary)

    def _check_function(self, node: Node, vocabulary: _Vocabulary) -> None:
        if node.parent == "TableExpression":
            if node.name.lower() not in _TABLE_FUNCTIONS:
                raise StoreRejected(f"The table function '{node.name}' cannot be used here.")
        elif not vocabulary.may_call(node.name):
            raise StoreRejected(f"The function '{node.name}' cannot be used here.")

    def _check_table(self, name: str) -> None:
        if not _PLAIN.fullmatch(name):
            raise StoreRejected("Names of tables are letters, digits and underscores.")
        database, _, _ = name.rpartition(".")
        if database not in ("", self._driver.database) and name not in _SYSTEM_TABLES:
            raise StoreRejected(f"The table '{name}' is none of the trace tables.")

    def _check_identifier(self, name: str, vocabulary: _Vocabulary) -> None:
        # A higher-order function takes the bare name of another one, and IN the bare name of a table.
        if name.lower() in vocabulary.denied:
            raise StoreRejected(f"The name '{name}' is that of a function that cannot be used here.")
        database = name.partition(".")[0]
        if "." in name and database.lower() in vocabulary.databases and database != self._driver.database:
            raise StoreRejected(f"'{name}' is outside of the trace tables.")


def nodes_of(tree: str) -> Iterator[Node]:
    """Read what ``EXPLAIN AST`` prints: a node a line, one space a level.

    A name with a newline in it looks like a node of its own; that can add nodes to be checked, and hides none.
    """
    above: list[str] = []
    for line in tree.rstrip("\n").split("\n"):
        match = _NODE.fullmatch(line)
        if match is None:
            raise StoreRejected("A name in the statement cannot be used here.")
        depth = len(match["indent"])
        del above[depth:]
        rest = match["rest"] or ""
        tail = _TAIL.search(rest)
        name = rest[: tail.start()] if tail else rest
        yield Node(match["kind"], name, int(tail["children"] or 0) if tail else 0, above[-1] if above else "")
        above.append(match["kind"])
