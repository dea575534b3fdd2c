"""Dead letters: listing and redriving rejected messages."""
