"""Decoding of order events: messages in, events or errors that say what to write instead out."""
