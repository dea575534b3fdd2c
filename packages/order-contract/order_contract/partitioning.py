"""The partitioner of topic `decisions`: which partition a stored order's decision goes to."""


def decision_partition(source_partition: int, count: int) -> int:
    """The partition of a decision on a topic with `count` partitions: that of its order, so their sequence is kept.

    `decisions` has as many partitions as `orders`; with fewer, several of them share one.
    """
    return source_partition % count
