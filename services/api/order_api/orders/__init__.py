"""Orders with their decisions: one, or pages of them."""
