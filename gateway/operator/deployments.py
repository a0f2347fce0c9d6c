"""How deployments fare, and the queues in front of them, from the counts of all workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gateway.core.deployment_health import added_up
from gateway.core.mirror_told import mirrors_added_up
from gateway.core.queue_told import queues_added_up
from gateway.operator.metrics import is_fresh, read_workers


def deployments_now(run_dir: Path, now_ms: int) -> dict[str, Any]:
    """Say how they fare.

    Args:
        run_dir: Where workers leave their counts.
        now_ms: Milliseconds since 1970: workers that have been silent for long are left out.
    """
    fresh = [one for one in read_workers(run_dir) if is_fresh(one, now_ms)]
    found = added_up(one.deployments for one in fresh)
    queues = queues_added_up(one.queues for one in fresh)
    mirrors = mirrors_added_up(one.mirrors for one in fresh)
    return {
        "workers": len(fresh),
        "deployments": msgspec.to_builtins(found),
        "queues": msgspec.to_builtins(queues),
        "mirrors": msgspec.to_builtins(mirrors),
    }
