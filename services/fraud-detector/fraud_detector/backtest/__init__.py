"""The command `fraud-detector backtest`: where it reads past orders from, how it runs, and what it reports."""
