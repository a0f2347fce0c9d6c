from __future__ import annotations

import typing

from gateway.pipeline import Pipeline
from gateway.realtime.rooms import Rooms


def test_the_pipeline_has_all_the_rooms_that_a_session_needs() -> None:
    needed = {name for name in vars(Rooms) if not name.startswith("_")}
    assert needed == {"courses", "ledger", "dispatcher", "journal", "head", "sessions"}
    assert needed <= typing.get_type_hints(Pipeline).keys()
