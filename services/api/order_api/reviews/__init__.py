"""Reviews: orders that a person is to look at, and closing one by a label."""
