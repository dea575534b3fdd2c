"""Dead letters after they were recorded: finding them, their original bytes, and publishing them again."""
