"""weighbridge.yaml: typed schema, loading with lines, secret references, checks."""
