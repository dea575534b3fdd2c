"""Alive, ready, and what is measured."""
