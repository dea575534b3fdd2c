"""Text that is safe to show on a terminal, whatever its sender put into it."""


def printable(text: str, keep: str = "") -> str:
    """The text without control characters, which would steer the terminal, but those in `keep`: line breaks, say."""
    return "".join(each if each.isprintable() or each in keep else "\N{REPLACEMENT CHARACTER}" for each in text)
