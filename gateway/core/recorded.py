"""What is recorded of earlier calls, added up for limits: who drew how much, and in which stretch of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import msgspec

# More than that are not kept, nor asked for: the dearest are.
MOST_GROUPS = 100_000
# Words that a worker and the operator leave for each other, in the folder where workers leave their counts.
WANTED_FILE = "limits.wanted.json"
RECORDED_FILE = "limits.recorded.json"
# Copies of calls have allowances of their own: callers without a key have the empty name, and it is theirs.
COPIES = "weighbridge/mirror"
COPY_TAGS = {"weighbridge": "mirror"}


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of one caller, model and provider used that began in one stretch of time.

    Attributes:
        labels: Their tags; where no limit asks for tags, only the one that copies have.
        edge_us: Where the stretch begins, microseconds since 1970.
    """

    key_id: str = ""
    team: str = ""
    tenant: str = ""
    labels: dict[str, str] = {}
    model: str = ""
    provider: str = ""
    edge_us: int = 0
    requests: int = 0
    tokens: int = 0
    nanousd: int = 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker asks for.

    Attributes:
        asked: Tells questions apart.
        edges: Where stretches begin, microseconds since 1970, in order; the last of them ends the last one.
        tags: Some limit asks for tags.
        segments: Of the spool, and up to where: the answer is to hold all that lies in these.
    """

    asked: str
    edges: tuple[int, ...]
    tags: bool
    segments: dict[str, int]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The answer; ``cut``: there was more than :data:`MOST_GROUPS`."""

    asked: str
    used: list[Used]
    cut: bool = False


class Line(msgspec.Struct):
    """As much of a record as limits are about."""

    started_us: int = 0
    key_id: str = ""
    team: str = ""
    tenant: str = ""
    tags: dict[str, str] = {}
    model_requested: str = ""
    provider: str = ""
    attempts: list[msgspec.Raw] = []
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_nanousd: int | None = None


Group = tuple[str, str, str, tuple[tuple[str, str], ...], str, str, int]


class Tally:
    """Adds up.

    Args:
        edges: Where stretches begin; what began before the first or after the last is left out.
        tags: Some limit asks for tags.

    Attributes:
        cut: There were too many groups; those that came last are left out.
    """

    def __init__(self, edges: tuple[int, ...], *, tags: bool) -> None:
        self._edges = edges
        self._tags = tags
        self._groups: dict[Group, tuple[int, int, int]] = {}
        self.cut = False

    def __len__(self) -> int:
        return len(self._groups)

    def add_line(self, line: Line) -> None:
        """Add a record. One that no provider was tried for has taken nothing."""
        place = bisect_right(self._edges, line.started_us) - 1
        if not line.attempts or place < 0 or line.started_us >= self._edges[-1]:
            return
        self.add(
            Used(
                key_id=line.key_id,
                team=line.team,
                tenant=line.tenant,
                labels=line.tags,
                model=line.model_requested,
                provider=line.provider,
                edge_us=self._edges[place],
                requests=1,
                tokens=(line.input_tokens or 0) + (line.output_tokens or 0),
                nanousd=line.cost_nanousd or 0,
            )
        )

    def add(self, used: Used) -> None:
        """Add what others have added up."""
        group = self._group(used)
        before = self._groups.get(group)
        if before is None:
            if len(self._groups) >= MOST_GROUPS:
                self.cut = True
                return
            before = (0, 0, 0)
        self._groups[group] = before[0] + used.requests, before[1] + used.tokens, before[2] + used.nanousd

    def of(self, group: Group) -> tuple[int, int, int]:
        """Give what was added of a group."""
        return self._groups.get(group, (0, 0, 0))

    def all(self) -> Iterable[Used]:
        """What was added."""
        for group, amounts in self._groups.items():
            yield _used(group, amounts)

    def beyond(self, other: Tally) -> Iterable[Used]:
        """What is here and not in another one; of what is there alone, nothing."""
        for group, amounts in self._groups.items():
            known = other.of(group)
            requests, tokens, nanousd = (max(0, one - two) for one, two in zip(amounts, known, strict=True))
            if requests or tokens or nanousd:
                yield _used(group, (requests, tokens, nanousd))

    def _group(self, used: Used) -> Group:
        key, team, tenant = used.key_id, used.team, used.tenant
        if not key and used.labels == COPY_TAGS:
            key = team = tenant = COPIES
        tags = tuple(sorted(used.labels.items())) if self._tags else ()
        return key, team, tenant, tags, used.model, used.provider, used.edge_us


def _used(group: Group, amounts: tuple[int, int, int]) -> Used:
    key, team, tenant, tags, model, provider, edge_us = group
    requests, tokens, nanousd = amounts
    return Used(
        key_id=key,
        team=team,
        tenant=tenant,
        labels=dict(tags),
        model=model,
        provider=provider,
        edge_us=edge_us,
        requests=requests,
        tokens=tokens,
        nanousd=nanousd,
    )
