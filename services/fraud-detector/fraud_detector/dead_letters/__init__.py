"""`fraud-detector dead-letters`: looking at what was refused, and publishing it again."""
