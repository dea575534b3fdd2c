"""What is known of a stored order beyond its decision: what each rule saw, and the message that it came from."""
