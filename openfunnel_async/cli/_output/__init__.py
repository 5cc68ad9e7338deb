"""What the commands print, and the exit codes; imports nothing of the commands."""
