"""The rules: what is active and how it works, drafts and their editor, backtests, overlaps, operating point."""
