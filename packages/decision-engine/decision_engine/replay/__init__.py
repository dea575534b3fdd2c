"""Replay: deciding stored orders again, each with what its detector had seen, and comparing."""
