"""Lists that rules look into."""
