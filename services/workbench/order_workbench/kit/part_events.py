"""Parts of a page as server-sent events, which htmx puts into the page."""


def part_event(part: str, event_id: str = "") -> bytes:
    """An event that holds a part of a page; `event_id` is where to resume."""
    identified = f"id: {event_id}\n" if event_id else ""
    data = "\n".join(f"data: {line}" for line in part.splitlines() if line.strip())
    return f"{identified}{data}\n\n".encode()
