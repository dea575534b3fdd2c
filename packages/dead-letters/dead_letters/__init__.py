"""Dead letters: model, repository, original messages, redrive and serialization."""
