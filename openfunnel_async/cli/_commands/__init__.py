"""The commands: one module for each command, and the parts that they share."""
