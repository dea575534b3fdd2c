"""API keys managed over the API by keys of role admin."""
