"""Topics, lag and dates."""
