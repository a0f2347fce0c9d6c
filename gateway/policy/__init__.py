"""The policy language: files to a checked model to a compiled bundle."""
