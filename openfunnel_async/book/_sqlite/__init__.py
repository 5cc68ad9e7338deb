"""The Book in one file: SQLite, from the standard library."""
