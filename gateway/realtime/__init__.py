"""Sessions in which a client and a model speak at any time: opened, judged, weighed and ended here."""
