"""How much of the bodies of a call is kept, and who has a say in it.

The strictest of what the caller's key and the policies say holds. Where neither says anything, the configuration does.
"""

from __future__ import annotations

from typing import Literal, get_args

Bodies = Literal["none", "redacted", "full"]
# The strictest first.
BODIES: tuple[Bodies, ...] = get_args(Bodies)


def decided(default: Bodies, *said: Bodies | None) -> Bodies:
    """Decide what is kept.

    Args:
        default: What holds where nobody says anything.
        said: By those who have a say; ``None`` by who says nothing.
    """
    for bodies in BODIES:
        if bodies in said:
            return bodies
    return default
