"""Container logs: the format they are written in, and how they are read and followed."""
