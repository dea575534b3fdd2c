"""The subcommands of `fraud-detector rules`."""
