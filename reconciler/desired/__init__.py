"""The desired-state file: reading it, and what it means."""
