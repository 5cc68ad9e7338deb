"""One job: its handle, its state, its poll loop, its streams of rows."""
