"""`orderwatch down`: drain and stop everything that `up` started."""

from order_platform.command_line.settings_errors import read_settings
from orderwatch.console import OUT, Checklist
from orderwatch.embedded.shutdown import take_down
from orderwatch.embedded.system import System
from orderwatch.settings import EmbeddedSettings


def down() -> None:
    """Stop everything in order; the data stays, and `up` goes on from there."""
    with System.to_change(read_settings(EmbeddedSettings)) as system:
        stop(system)


def stop(system: System) -> None:
    """Stop a system and say what was stopped."""
    if not system.running:
        OUT.print("Orderwatch is not up: nothing to stop.")
        return
    with Checklist(OUT) as steps, steps.step("stopping"):
        result = take_down(system.supervisor)
    OUT.print(f"Stopped {', '.join(result.stopped) or 'the supervisor'}.", style="bold")
    if result.killed:
        OUT.print(f"Had to be killed in the end: {', '.join(map(str, result.killed))}.", style="yellow")
