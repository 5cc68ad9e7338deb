"""``demo``: three jobs against a local sandbox."""
