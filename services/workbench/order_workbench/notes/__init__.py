"""Notes about orders, users and what orders share, as a part of other pages."""
