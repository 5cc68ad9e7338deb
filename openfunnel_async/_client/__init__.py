"""The client, and many jobs at once."""
