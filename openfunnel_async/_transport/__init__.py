"""One request over one connection."""
