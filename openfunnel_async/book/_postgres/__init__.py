"""The Book on PostgreSQL: any number of processes run it."""
