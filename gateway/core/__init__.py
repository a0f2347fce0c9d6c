"""Values and rules without I/O: what the rooms share. Nothing here knows a socket, a clock or a driver."""
