"""Makes the heads and the report: ``python -m training --data ../shared/data``, or a part of it by name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec

from training import hidden, injection, outcome, toxicity
from training.embeddings import Vectors

_PARTS = {"injection": injection.train, "instruction": hidden.train, "toxicity": toxicity.train}


def main() -> None:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="default: all")
    parser.add_argument("--data", type=Path, required=True, help="folder of corpora")
    parser.add_argument("--models", type=Path, default=Path(".weighbridge/models"), help="what models build made")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="packages and vectors")
    args = parser.parse_args()
    vectors = Vectors(args.models, args.cache)
    for part in args.parts or _PARTS:
        report: Any = _PARTS[part](args.data, args.cache, vectors)
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    judges: dict[str, Any] = {}
    for name in ("injection", "instruction"):
        path = args.cache / f"{name}-judge.json"
        if path.exists():
            judges |= msgspec.json.decode(path.read_bytes())
    outcome.write_json("injection.json", judges)


if __name__ == "__main__":
    main()
