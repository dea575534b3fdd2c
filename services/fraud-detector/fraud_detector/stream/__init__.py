"""The stream: from topic `orders` to a stored, announced decision, without loss and without doing anything twice."""
