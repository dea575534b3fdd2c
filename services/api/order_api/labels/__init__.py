"""Labels of orders: publishing one, and the history of those that are stored."""
