"""First commands to try on a system that has just come up."""

from order_platform.command_line.output import OUT


def print_getting_started(*, settings: str, live: str, topics: str) -> None:
    """Print the commands: `settings` sets a shell's variables, `live` follows decisions, `topics` lists topics."""
    OUT.print("\nTry:", style="bold")
    for command in (
        settings,
        r'curl -s -H "Authorization: Bearer $ORDERWATCH_API_KEY" "$ORDERWATCH_API_URL/v1/flags?limit=3"',
        live,
        topics,
    ):
        OUT.print(f"  {command}", soft_wrap=True, markup=False)
