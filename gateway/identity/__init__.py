"""Who calls: credentials to a Principal."""
