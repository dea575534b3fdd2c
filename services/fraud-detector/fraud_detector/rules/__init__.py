"""Deciding an order: pure, without I/O, clock or environment, so that a stream, a backtest and a what-if agree."""
