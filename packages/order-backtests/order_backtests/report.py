"""Report of a backtest: sections of tables and sentences, which every form of output shows; and the JSON document."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from decision_engine.backtest.tally import NOISY_SHARE, Amount, Bucket, Example, Tally
from decision_engine.proportion import Proportion
from decision_engine.rule import Mode, Ruleset
from order_contract.decision import Outcome

MOST_OVERLAPS: Final = 10
_NO_MONEY: Final = "nothing"
BUCKET_NAMES: Final[Mapping[Bucket, str]] = {
    Bucket.CAUGHT_FRAUD: "fraud that is caught",
    Bucket.MISSED_FRAUD: "fraud that is missed",
    Bucket.STOPPED_CUSTOMER: "good customers that are stopped",
    Bucket.FREED_CUSTOMER: "good customers that are freed",
    Bucket.NOT_LABELLED: "flagged, not labelled yet",
}


class Backtest(NamedTuple):
    """A backtest that was run: `name` and `against` say what was compared, `dates` of when."""

    name: str
    against: str
    dates: str
    ruleset: Ruleset
    tally: Tally
    retired_before: date | None = None
    """Orders before this date were removed from the database, and windows reach there."""


class Section(NamedTuple):
    """A table under a title, with sentences below it. The first column is text, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers, which are aligned to the right."""
        cells = [row[column] for row in self.rows if row[column] != _NO_MONEY]
        return column > 0 and all(cell[:1].isdigit() or cell[:1] in "+-" for cell in cells)


def headline(backtest: Backtest) -> str:
    """What was tried, in one sentence."""
    tally = backtest.tally
    share = f"{tally.changed / tally.orders:.2%}" if tally.orders else "none"
    return (
        f"{backtest.name} against {backtest.against}, {tally.orders:,} orders of {backtest.dates}: "
        f"{tally.changed:,} outcomes change ({share})."
    )


def sections(backtest: Backtest, *, with_reasons: bool = True) -> Iterator[Section]:
    """The report for people; a section without rows is left out.

    Reasons may quote personal data: without them, examples name the rules.
    """
    if backtest.retired_before is not None:
        note = (
            f"Orders before {backtest.retired_before} were removed from the database: those are not decided, and "
            "features whose windows reach there are lower than they were."
        )
        yield Section("Incomplete", (), (), [note])
    found = (
        _outcomes(backtest.tally),
        _changes(backtest.tally),
        _labels(backtest.tally),
        _rules(backtest),
        _overlaps(backtest.tally),
        _examples(backtest.tally, with_reasons=with_reasons),
    )
    yield from (section for section in found if section.rows or section.notes)


def _outcomes(tally: Tally) -> Section:
    days = max(len(tally.days), 1)
    rows = []
    for outcome in Outcome:
        before = sum(day.before[outcome] for day in tally.days.values())
        after = sum(day.after[outcome] for day in tally.days.values())
        rows.append((outcome.value, f"{before:,}", f"{after:,}", f"{after - before:+,}", f"{after / days:,.1f}"))
    notes = [
        f"Money held: {_money(tally.flagged)}, before {_money(tally.flagged_before)}.",
    ]
    busiest = max(tally.days.items(), key=lambda day: day[1].after[Outcome.REVIEW], default=None)
    if busiest is not None and busiest[1].after[Outcome.REVIEW]:
        notes.append(f"Most reviews of a day: {busiest[1].after[Outcome.REVIEW]:,} on {busiest[0]}.")
    return Section("Outcomes", ("outcome", "before", "after", "change", "a day"), rows, notes)


def _changes(tally: Tally) -> Section:
    rows = [
        (f"{before.value} to {after.value}", f"{amount.orders:,}", _money(amount))
        for (before, after), amount in sorted(tally.changes.items())
    ]
    return Section("Changed outcomes", ("change", "orders", "money"), rows)


def _labels(tally: Tally) -> Section:
    if not tally.labels:
        return Section("Labels", (), (), ["No order is labelled, so nothing says which decisions are right."])
    rows = [
        (
            text,
            f"{tally.buckets_before[bucket].orders:,}",
            f"{tally.buckets[bucket].orders:,}",
            _money(tally.buckets[bucket]),
        )
        for bucket, text in BUCKET_NAMES.items()
    ]
    fraud, legitimate = tally.labels["fraud"], tally.labels["legitimate"]
    saved, saved_before = (_money(each[Bucket.CAUGHT_FRAUD]) for each in (tally.buckets, tally.buckets_before))
    notes = [
        f"{fraud + legitimate:,} orders are labelled: {fraud:,} fraud, {legitimate:,} legitimate.",
        f"Precision {_proportion(tally.precision)}, before {_proportion(tally.precision_before)}.",
        f"Recall {_proportion(tally.recall)}, before {_proportion(tally.recall_before)}.",
        f"Money saved: {saved}, before {saved_before}.",
    ]
    return Section("Labels", ("", "before", "after", "money after"), rows, notes)


def _rules(backtest: Backtest) -> Section:
    tally = backtest.tally
    rows = []
    for rule in backtest.ruleset.rules:
        if rule.mode is Mode.OFF:
            continue
        counts = tally.rules[rule.id]
        rows.append(
            (
                rule.id,
                rule.mode.value,
                f"{counts.hits.orders:,}",
                f"{counts.alone:,}",
                _proportion(counts.precision),
                _proportion(tally.recall_of(rule.id)),
                _money(counts.fraud),
            )
        )
    notes = []
    if tally.silent_rules:
        notes.append(f"Silent, fire on no order: {', '.join(tally.silent_rules)}.")
    if tally.noisy_rules:
        notes.append(f"Noisy, fire on more than {NOISY_SHARE:.0%} of the orders: {', '.join(tally.noisy_rules)}.")
    if tally.uncarried:
        notes.append(f"Fields that rules look at and no order has: {', '.join(sorted(tally.uncarried))}.")
    return Section("Rules", ("rule", "mode", "hits", "alone", "precision", "recall", "fraud caught"), rows, notes)


def _overlaps(tally: Tally) -> Section:
    rows = [(f"{one} and {other}", f"{count:,}") for (one, other), count in tally.overlaps.most_common(MOST_OVERLAPS)]
    return Section("Rules that fire together", ("rules", "orders"), rows)


def _examples(tally: Tally, *, with_reasons: bool) -> Section:
    rows = [
        (
            each.order_id,
            f"{each.before.value} to {each.after.value}",
            each.label or "",
            f"{each.amount:,} {each.currency}",
            " ".join(hit["reason"] for hit in each.hits)
            if with_reasons
            else ", ".join(hit["rule"] for hit in each.hits),
        )
        for each in tally.examples
    ]
    return Section("Examples", ("order", "change", "label", "amount", "why"), rows)


def as_document(backtest: Backtest, *, with_reasons: bool = True) -> dict[str, Any]:
    """The report for programs: all counts. Reasons may quote personal data: without them, examples name the rules."""
    tally = backtest.tally
    return {
        "ruleset": backtest.name,
        "ruleset_version": backtest.ruleset.version,
        "against": backtest.against,
        "dates": backtest.dates,
        "retired_before": backtest.retired_before,
        "orders": tally.orders,
        "changed": tally.changed,
        "flagged": _amount(tally.flagged),
        "flagged_before": _amount(tally.flagged_before),
        "labels": {name: tally.labels[name] for name in ("fraud", "legitimate")},
        "precision": tally.precision.as_document(),
        "precision_before": tally.precision_before.as_document(),
        "recall": tally.recall.as_document(),
        "recall_before": tally.recall_before.as_document(),
        "buckets": {bucket.value: _amount(tally.buckets[bucket]) for bucket in Bucket},
        "buckets_before": {bucket.value: _amount(tally.buckets_before[bucket]) for bucket in Bucket},
        "changes": [
            {"before": before, "after": after, **_amount(amount)}
            for (before, after), amount in sorted(tally.changes.items())
        ],
        "days": [
            {"date": day, "before": _by_outcome(counts.before), "after": _by_outcome(counts.after)}
            for day, counts in sorted(tally.days.items())
        ],
        "rules": [
            {
                "rule": rule.id,
                "mode": rule.mode,
                "hits": _amount(tally.rules[rule.id].hits),
                "alone": tally.rules[rule.id].alone,
                "fraud": _amount(tally.rules[rule.id].fraud),
                "legitimate": _amount(tally.rules[rule.id].legitimate),
                "precision": tally.rules[rule.id].precision.as_document(),
                "recall": tally.recall_of(rule.id).as_document(),
            }
            for rule in backtest.ruleset.active
        ],
        "overlaps": [{"rules": rules, "orders": count} for rules, count in tally.overlaps.most_common()],
        "silent_rules": list(tally.silent_rules),
        "noisy_rules": list(tally.noisy_rules),
        "fields_of_no_order": sorted(tally.uncarried),
        "examples": [_example(each, with_reasons=with_reasons) for each in tally.examples],
    }


def _example(example: Example, *, with_reasons: bool) -> dict[str, Any]:
    kept = [{name: value for name, value in hit.items() if with_reasons or name != "reason"} for hit in example.hits]
    return {**example._asdict(), "rank": example.rank.hex(), "hits": kept}


def _money(amount: Amount) -> str:
    return ", ".join(f"{money:,} {currency}" for currency, money in sorted(amount.money.items())) or _NO_MONEY


def _proportion(proportion: Proportion) -> str:
    interval = proportion.interval
    if interval is None:
        return "-"
    share = proportion.part / proportion.whole
    return f"{share:.0%} ({interval.low:.0%} to {interval.high:.0%}, of {proportion.whole:,})"


def _amount(amount: Amount) -> dict[str, Any]:
    return {"orders": amount.orders, "money": dict(amount.money)}


def _by_outcome(counts: Mapping[Outcome, int]) -> dict[str, int]:
    return {outcome.value: counts.get(outcome, 0) for outcome in Outcome}
