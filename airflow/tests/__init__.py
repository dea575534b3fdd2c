"""Tests of the batch side."""
