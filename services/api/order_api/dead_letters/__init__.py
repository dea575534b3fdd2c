"""Dead letters: what was refused, and publishing it again."""
