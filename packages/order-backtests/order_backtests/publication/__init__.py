"""Publication of rulesets: drafts, the check before, publishing and rolling back, and the watch after."""
