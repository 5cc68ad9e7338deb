"""A TCP proxy that delays, cuts, resets and silences connections."""
