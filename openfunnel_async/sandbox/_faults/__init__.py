"""What can go wrong, as values that a `Service` applies to its requests."""
