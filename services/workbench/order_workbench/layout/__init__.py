"""Templates of what surrounds each screen."""
