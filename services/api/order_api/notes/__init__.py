"""Notes about orders, users and what orders share."""
