"""Building blocks of routes: query parameters, pagination, ETags, connection pools, fair turns."""
