"""Charts of a backtest's report as shapes, which the page's template draws as SVG: geometry without markup.

Lengths are in the units of a drawing that is WIDTH wide. `style` of a shape is a class of the page's style sheet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from decision_engine.backtest.tally import Bucket, DayTally, Tally
from decision_engine.proportion import Proportion
from order_contract.decision import Outcome

WIDTH: Final = 720
MOST_COLUMNS: Final = 60
"""Of a chart over time; each is the sum of several days when there are more."""
MOST_ROWS: Final = 20

_BEFORE: Final = "before"
_AFTER: Final = "after"
_PLOT_HEIGHT: Final = 180
_LEFT: Final = 70
_NAMES: Final = 230
"""Room for the names of rules."""
_PROPORTION_ROOM: Final = WIDTH - _NAMES - 40
_ROW: Final = 26
_HALF_DATE: Final = 36
_LONGEST_NAME: Final = 34
_STEPS: Final = (1, 2, 2.5, 5, 10)


class Rectangle(NamedTuple):
    """A bar; `hint` is shown for the one that is pointed at."""

    x: float
    y: float
    width: float
    height: float
    style: str
    hint: str


class Line(NamedTuple):
    """A line, as of an axis or an interval."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


class Dot(NamedTuple):
    """A point with a hint."""

    x: float
    y: float
    style: str
    hint: str


class Label(NamedTuple):
    """Text; `anchor` is the SVG attribute: start, middle or end."""

    x: float
    y: float
    text: str
    anchor: str


@dataclass(slots=True)
class Chart:
    """A drawing under a title. `legend` names the styles."""

    title: str
    legend: Sequence[tuple[str, str]]
    height: float = 0
    rectangles: list[Rectangle] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    note: str = ""


class Matrix(NamedTuple):
    """How often two rules fire together: a row per rule but the last one, a column per rule but the first one.

    Each pair is counted once; elsewhere is None.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[int | None]]]
    most: int


def flagged_by_day(tally: Tally) -> Chart | None:
    """Flagged orders by business date, before and after; None without a flagged order."""
    days = sorted(tally.days.items())
    together = math.ceil(len(days) / MOST_COLUMNS)
    columns = [days[start : start + together] for start in range(0, len(days), together or 1)]
    counts = [
        (sum(_flagged_before(day) for _, day in each), sum(_flagged_after(day) for _, day in each)) for each in columns
    ]
    most = max((max(each) for each in counts), default=0)
    if not most:
        return None
    chart = Chart("Flagged orders by day", [(_BEFORE, "before"), (_AFTER, "after")], _PLOT_HEIGHT + 40)
    if together > 1:
        chart.note = f"Each pair of bars is the sum of {together} days."
    top = _draw_vertical_axis(chart, most)
    width = (WIDTH - _LEFT) / len(columns)
    bar = min(width * 0.4, 28)
    for number, (each, (before, after)) in enumerate(zip(columns, counts, strict=True)):
        middle = _LEFT + width * (number + 0.5)
        name = str(each[0][0]) if len(each) == 1 else f"{each[0][0]} to {each[-1][0]}"
        for style, count, x in ((_BEFORE, before, middle - bar), (_AFTER, after, middle)):
            height = _PLOT_HEIGHT * count / top
            y = 10 + _PLOT_HEIGHT - height
            chart.rectangles.append(Rectangle(x, y, bar, height, style, f"{name}, {style}: {count:,}"))
        if number % math.ceil(len(columns) / 8) == 0 and middle + _HALF_DATE <= WIDTH:
            chart.labels.append(Label(middle, _PLOT_HEIGHT + 28, str(each[0][0]), "middle"))
    return chart


def buckets(tally: Tally, names: Sequence[tuple[Bucket, str]]) -> Chart | None:
    """Orders by outcome and label together, before and after; None without labels."""
    if not tally.labels:
        return None
    chart = Chart("Right and wrong decisions", [(_BEFORE, "before"), (_AFTER, "after")], len(names) * 44 + 10)
    counts = [(tally.buckets_before[bucket].orders, tally.buckets[bucket].orders) for bucket, _ in names]
    most = max((max(each) for each in counts), default=0) or 1
    room = WIDTH - _NAMES - 70
    for number, ((_, name), pair) in enumerate(zip(names, counts, strict=True)):
        y = 10 + number * 44
        chart.labels.append(Label(_NAMES - 12, y + 19, name, "end"))
        for style, count, offset in zip((_BEFORE, _AFTER), pair, (0, 15), strict=True):
            width = room * count / most
            chart.rectangles.append(Rectangle(_NAMES, y + offset, width, 13, style, f"{name}, {style}: {count:,}"))
            chart.labels.append(Label(_NAMES + width + 6, y + offset + 11, f"{count:,}", "start"))
    return chart


def hits_by_rule(tally: Tally) -> Chart | None:
    """Hits of the rules that fire most, divided by the orders' labels; None when no rule fires."""
    rules = sorted(
        ((name, counts) for name, counts in tally.rules.items() if counts.hits.orders),
        key=lambda each: -each[1].hits.orders,
    )
    if not rules:
        return None
    legend = [("fraud", "labelled fraud"), ("legitimate", "labelled legitimate"), ("unlabelled", "not labelled")]
    chart = Chart("Hits by rule", legend, min(len(rules), MOST_ROWS) * _ROW + 10)
    if len(rules) > MOST_ROWS:
        chart.note = f"The {MOST_ROWS} rules with the most hits, of {len(rules)}."
    most, room = rules[0][1].hits.orders, WIDTH - _NAMES - 80
    for number, (name, counts) in enumerate(rules[:MOST_ROWS]):
        y = 8 + number * _ROW
        chart.labels.append(Label(_NAMES - 12, y + 13, _shorten(name), "end"))
        fraud, legitimate, hits = counts.fraud.orders, counts.legitimate.orders, counts.hits.orders
        x = float(_NAMES)
        for (style, meaning), count in zip(legend, (fraud, legitimate, hits - fraud - legitimate), strict=True):
            width = room * count / most
            chart.rectangles.append(Rectangle(x, y, width, 18, style, f"{name}, {meaning}: {count:,}"))
            x += width
        chart.labels.append(Label(x + 6, y + 13, f"{hits:,}", "start"))
    return chart


def proportions(tally: Tally) -> Chart | None:
    """Precision and recall, before and after, and the precision of rules, with intervals; None without labels."""
    rows = [
        ("precision before", tally.precision_before, _BEFORE),
        ("precision after", tally.precision, _AFTER),
        ("recall before", tally.recall_before, _BEFORE),
        ("recall after", tally.recall, _AFTER),
    ]
    rules = sorted(tally.rules.items(), key=lambda each: -each[1].hits.orders)[: MOST_ROWS - len(rows)]
    rows += [(f"precision of {name}", counts.precision, "rule") for name, counts in rules]
    known = [(name, each, style) for name, each, style in rows if each.interval is not None]
    if not known:
        return None
    chart = Chart(
        "Precision and recall with their 95 % intervals",
        [(_BEFORE, "before"), (_AFTER, "after"), ("rule", "a rule, after")],
        len(known) * _ROW + 34,
    )
    for tenth in range(0, 11, 2):
        x = _NAMES + _PROPORTION_ROOM * tenth / 10
        chart.lines.append(Line(x, 6, x, 6 + len(known) * _ROW, "grid"))
        chart.labels.append(Label(x, len(known) * _ROW + 24, f"{tenth * 10}%", "middle"))
    for number, (name, proportion, style) in enumerate(known):
        _draw_proportion(chart, number, name, proportion, style)
    return chart


def overlap_matrix(tally: Tally) -> Matrix | None:
    """The rules that fire together most; None when no two do."""
    rules: list[str] = []
    for pair, _ in tally.overlaps.most_common():
        rules += [rule for rule in pair if rule not in rules]
        if len(rules) >= MOST_ROWS // 2:
            break
    rules = [rule for rule in tally.rules if rule in rules]
    if not rules:
        return None
    rows = [
        (
            one,
            [
                tally.overlaps[one, other] + tally.overlaps[other, one] if column > row else None
                for column, other in enumerate(rules)
                if column
            ],
        )
        for row, one in enumerate(rules[:-1])
    ]
    return Matrix(rules[1:], rows, max(count for _, counts in rows for count in counts if count is not None))


def _draw_proportion(chart: Chart, number: int, name: str, proportion: Proportion, style: str) -> None:
    interval, room, y = proportion.interval, _PROPORTION_ROOM, 6 + _ROW * (number + 0.5)
    assert interval is not None
    share = proportion.part / proportion.whole
    hint = f"{name}: {share:.1%}, between {interval.low:.1%} and {interval.high:.1%}, of {proportion.whole:,} orders"
    chart.labels.append(Label(_NAMES - 12, y + 4, _shorten(name), "end"))
    chart.lines.append(Line(_NAMES + room * interval.low, y, _NAMES + room * interval.high, y, style))
    chart.dots.append(Dot(_NAMES + room * share, y, style, hint))


def _draw_vertical_axis(chart: Chart, most: int) -> float:
    """Draw grid lines up to a round number of at least `most`; returns that number."""
    step = _round_step(most / 4)
    lines = math.ceil(most / step)
    for number in range(lines + 1):
        y = 10 + _PLOT_HEIGHT - _PLOT_HEIGHT * number / lines
        chart.lines.append(Line(_LEFT, y, WIDTH, y, "grid"))
        chart.labels.append(Label(_LEFT - 8, y + 4, f"{step * number:,.0f}", "end"))
    return step * lines


def _round_step(least: float) -> int:
    """The least of 1, 2, 5, 10, 20, 25, 50 and so on that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(max(least, 1)))
    return math.ceil(next(step * power for step in _STEPS if step * power >= least))


def _flagged_before(day: DayTally) -> int:
    return day.before.total() - day.before[Outcome.APPROVE]


def _flagged_after(day: DayTally) -> int:
    return day.after.total() - day.after[Outcome.APPROVE]


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
