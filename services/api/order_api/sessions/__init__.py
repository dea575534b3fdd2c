"""Sessions: how a browser asks on behalf of a key that it does not keep."""
