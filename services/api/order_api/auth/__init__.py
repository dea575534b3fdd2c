"""Authentication and authorization: API keys, sessions, roles, scopes, rate limits."""
