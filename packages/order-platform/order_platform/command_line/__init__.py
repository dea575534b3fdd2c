"""The command-line kit: starting a command, exit codes, settings errors, and output for people and programs."""
