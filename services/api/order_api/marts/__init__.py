"""The warehouse's marts, as the batch side published them last."""
