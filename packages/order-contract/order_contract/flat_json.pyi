from collections.abc import Mapping

class FlatEncoder:
    def encode(self, members: Mapping[str, object]) -> str: ...
