"""What two processes must agree on: event and decoding, decision, record formats, money, business time. Pure."""
