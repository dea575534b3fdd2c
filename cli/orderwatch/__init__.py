"""The command for people: runs the embedded system, and answers questions about the whole."""
