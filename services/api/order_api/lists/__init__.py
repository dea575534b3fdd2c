"""Lists and snoozes over the API: what is in them, now or at a past moment, and changing them."""
