"""Search: orders by every filter of the API, with the columns of one's choice, and as CSV."""
