#!/usr/bin/env bash
# Resolves pyproject.toml into the locks. Called by `make lock`; needs uv, and takes it for itself if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null; then
  tools=$(mktemp -d)
  trap 'rm -rf "$tools"' EXIT
  python3 -m venv "$tools" && "$tools/bin/pip" install -q uv
  PATH="$tools/bin:$PATH"
fi

resolve() { # NAME OPTIONS…
  local lock=requirements/$1.lock
  shift
  uv pip compile -q pyproject.toml "$@" --upgrade --override "$overrides" --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o "$lock"
}

overrides=requirements/overrides.txt
resolve dev --extra embedded --extra cache --extra models --extra ocr --group dev
# Training reads corpora with pyarrow, which the product does without.
overrides=$(mktemp) && grep -v ^pyarrow requirements/overrides.txt >"$overrides"
resolve train --extra models --group train -c requirements/dev.lock
rm "$overrides" && overrides=requirements/overrides.txt
resolve embedded --extra embedded --extra cache --extra models -c requirements/dev.lock
resolve runtime -c requirements/dev.lock
# Tools: by themselves, in versions that go with those that develop.
tools() { # GROUP
  uv pip compile -q --group "$1" --upgrade --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -c requirements/dev.lock -o "requirements/$1.lock"
}
tools build
tools deploy
# Tools of their own, which the project runs without.
uv pip compile -q --group security --upgrade --universal --python-version 3.11 -c requirements/dev.lock \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -o requirements/security.lock
