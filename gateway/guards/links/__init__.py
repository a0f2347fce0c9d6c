"""Links in texts: where they stand (Markdown, HTML, bare), where they lead, and who may be reached."""
