"""Dead letters: the model, their repository in Postgres, their original messages, and redrives."""
