"""The API: answers what happened to any order, and why."""
