"""Where the checkout lies: the embedded system runs from one."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "locks"
