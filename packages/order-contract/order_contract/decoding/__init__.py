"""Decoding of messages to order events, or to errors that say what to write instead."""
