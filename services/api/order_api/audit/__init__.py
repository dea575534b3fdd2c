"""The audit log over the API: who changed lists, labels and rulesets, for keys of role admin."""
