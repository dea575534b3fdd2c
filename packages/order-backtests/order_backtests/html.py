"""Report of a backtest as one HTML page: complete in itself, without scripts, for light, dark and paper."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from order_backtests.charts import buckets, flagged_by_day, hits_by_rule, overlap_matrix, proportions
from order_backtests.report import BUCKET_NAMES, Backtest, headline, sections
from order_platform.command_line.terminal_text import printable


def as_html(backtest: Backtest, *, with_reasons: bool = True) -> str:
    """The report as a page. Reasons may quote personal data: without them, examples name the rules."""
    tally = backtest.tally
    charts = flagged_by_day(tally), buckets(tally, list(BUCKET_NAMES.items())), proportions(tally), hits_by_rule(tally)
    return _template().render(
        headline=headline(backtest),
        backtest=backtest,
        charts=[chart for chart in charts if chart is not None],
        matrix=overlap_matrix(tally),
        sections=list(sections(backtest, with_reasons=with_reasons)),
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("order_backtests"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_as_text,
    )
    return environment.get_template("report.html")


def _as_text(value: object) -> object:
    """A value as the page shows it: without control characters, numbers of charts with one decimal."""
    if isinstance(value, float):
        return f"{value:.1f}"
    return printable(value, "\n") if type(value) is str else value
