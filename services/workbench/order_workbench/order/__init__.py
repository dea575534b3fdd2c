"""One order: its outcome and why, rule by rule, its event and features, and where its message is."""
