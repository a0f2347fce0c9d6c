"""The control plane: ships the spool, stores, answers queries. Process two."""
