"""HTTP: protocol, server, middleware, and problems as responses."""
