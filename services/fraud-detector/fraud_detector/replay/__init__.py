"""The command `fraud-detector replay`: where it reads stored orders from, and what it reports."""
