"""The only drivers: HTTP, ClickHouse, chDB, Hyperscan, tokenizers, clocks."""
