"""Routes of the review queue: which flagged orders enter it, under which name, and until when they are due."""
