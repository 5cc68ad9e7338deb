"""The transactions of the Book, in the SQL that both databases understand."""
