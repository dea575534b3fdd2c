"""The partitioner of topic `decisions`: which partition a stored order's decision goes to."""

import zlib


def decision_partition(key: bytes, count: int) -> int:
    """The partition of a decision on a topic with `count` partitions.

    CRC-32 is the partitioner of librdkafka; murmur2 in Python costs more than everything else in publishing.
    """
    return zlib.crc32(key) % count
