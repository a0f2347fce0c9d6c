"""The command weighbridge, a file a command group."""
