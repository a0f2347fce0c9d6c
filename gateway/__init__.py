"""Weighbridge: a transparent proxy and gateway between programs and language models.

Importing the package does nothing; ``gateway.app`` builds the product and ``gateway.cli`` runs it.
"""

__version__ = "0.1.0"
