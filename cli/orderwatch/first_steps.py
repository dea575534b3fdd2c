"""What to try when the system is up."""

from orderwatch.console import OUT


def say_first_steps(*, settings: str, live: str, topics: str) -> None:
    """Print the commands to begin with: `settings` gives a shell its variables, `live` and `topics` show what comes."""
    OUT.print("\nTry:", style="bold")
    for command in (
        settings,
        r'curl -s -H "Authorization: Bearer $ORDERWATCH_API_KEY" "$ORDERWATCH_API_URL/v1/flags?limit=3"',
        live,
        topics,
    ):
        OUT.print(f"  {command}", soft_wrap=True, markup=False)
