"""The only public Python API."""
