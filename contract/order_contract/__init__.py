"""What two Orderwatch processes must agree on: event, decision, topics, money, business time, schema."""
