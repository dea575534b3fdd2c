"""Garbage collection that does not get into the way of answering within milliseconds."""

import gc


def collect_rarely() -> None:
    """Leave what start-up made out of every later collection, and collect the rest less often.

    Call it once everything is set up. A full collection over modules, classes and routes takes 20 ms, which whoever
    is being answered waits for; and looking through rows and events, which hold no cycles, took a tenth of the
    detector's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
