"""The stream: from topic `orders` to a stored, published decision, without loss and without doing anything twice."""
