"""Users as their orders show them: totals, standing, habits, what they did last."""
