"""The faults, as values that a `Service` applies to its requests."""
