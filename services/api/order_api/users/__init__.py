"""Users as their orders show them: totals, standing, habits, newest orders."""
