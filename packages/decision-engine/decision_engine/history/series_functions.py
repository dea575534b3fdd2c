"""The functions over series: those of the kernel where the installation compiled it, else generated Python.

Both give the same values from the same histories.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from decision_engine.history import compiler
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.series import Series
from order_contract.compiled_modules import require_current

try:
    from decision_engine.history import kernel
except ImportError:
    kernel = None  # type: ignore[assignment]
else:
    require_current(kernel)


class CompileSeries(Protocol):
    """Makes the functions over some series, and shares of labelled orders: see `compiler.compile_series`."""

    def __call__(
        self, all_series: Sequence[Series], shares: Sequence[HistoryFeature] = (), /
    ) -> compiler.SeriesFunctions: ...


KERNEL_IS_COMPILED: Final = kernel is not None

fastest_functions: Final[CompileSeries] = kernel.compile_series if KERNEL_IS_COMPILED else compiler.compile_series


def seconds_by_difference(later: datetime, earlier: datetime) -> float:
    """The seconds from a time to a later one."""
    return (later - earlier).total_seconds()


seconds_between: Final[Callable[[datetime, datetime], float]] = (
    kernel.seconds_between if KERNEL_IS_COMPILED else seconds_by_difference
)
