"""Reviews as they are recorded: orders that a person is to look at, and those that were looked at."""
