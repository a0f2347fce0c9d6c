"""The exchange record, the spool and the worker's metrics."""
