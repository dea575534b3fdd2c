"""Lists that rules use, and snoozes of rules: entries with their history, changed by commands, API and files."""
