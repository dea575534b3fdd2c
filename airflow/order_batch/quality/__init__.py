"""Data quality: what a person should look at although every load and test passed."""
