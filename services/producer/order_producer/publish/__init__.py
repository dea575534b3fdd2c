"""Publishing of messages to topic orders, or to a file."""
