"""``openfunnel-async demo``: three jobs acted out against a sandbox of their own."""
