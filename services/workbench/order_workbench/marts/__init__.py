"""What the batch side published."""
