"""Sessions of browsers, opened with an API key."""
