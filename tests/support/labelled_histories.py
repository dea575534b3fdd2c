"""Labelled histories of orders, made up as public descriptions of fraud data sets have them; and what rules catch.

First orders: accounts with a device, an address and a time of signing up, of which rings of accounts share a device and
order seconds after signing up, while other fraud looks like any order. Card payments: customers who pay at terminals
near them, of which some are compromised for weeks, and some customers' cards are stolen and spend several times as
much. Labels arrive days later.
"""

import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, Features
from decision_engine.history.state import HistoryState
from decision_engine.ruleset import Ruleset
from order_contract.decision import Status
from order_contract.event import OrderEvent

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LabelledOrder:
    """An order, whether it is fraud, and when that becomes known."""

    event: OrderEvent
    is_fraud: bool
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Caught:
    """How much of the fraud is flagged, and how much of what is flagged is fraud."""

    recall: float
    precision: float


class _State:
    """The FeatureState of a replay."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.histories = HistoryState(ruleset.features)

    def features(self, event: OrderEvent) -> Features:
        return {**EventFeatures().features(event), **self.histories.values(event)}


def catch(
    ruleset: Ruleset, orders: Iterable[LabelledOrder], *, counted_from: datetime = START, legitimate_too: bool = True
) -> Caught:
    """Decide orders in the order of time, with the labels that are known by then; count those from a time on."""
    state, labels = _State(ruleset), list[tuple[datetime, str, LabelledOrder]]()
    caught = missed = false = 0
    for order in orders:
        while labels and labels[0][0] <= order.event.created_date:
            labelled = heapq.heappop(labels)[2]
            state.histories.add_label(labelled.event, "fraud" if labelled.is_fraud else "legitimate")
        flagged = evaluate(order.event, state, ruleset).status is Status.FRAUD
        state.histories.add(order.event)
        if order.is_fraud or legitimate_too:
            heapq.heappush(labels, (order.known_at, order.event.order_id, order))
        if order.event.created_date < counted_from:
            continue
        caught += flagged and order.is_fraud
        missed += order.is_fraud and not flagged
        false += flagged and not order.is_fraud
    return Caught(caught / max(1, caught + missed), caught / max(1, caught + false))


def order(number: int, created: datetime, **fields: object) -> OrderEvent:
    """An order event with usual values elsewhere."""
    usual = {
        "order_id": f"o{number}", "user_id": "u", "product_id": "p", "quantity": 1, "amount": 5_000, "currency": "USD",
        "payment_method": "Credit Card", "country": "ID", "created_date": created, "device_id": None,
        "ip_address": None, "voucher_code": None, "email": None,
        "shipping_country": None, "account_created_date": None, "attributes": None,
    }  # fmt: skip
    return OrderEvent(**{**usual, **fields})  # type: ignore[arg-type]


def first_orders(seed: int, accounts: int = 12_000) -> list[LabelledOrder]:
    """The first order of each account over 8 months: 9 percent fraud, a little more than half of it by rings."""
    chance = random.Random(seed)
    made: list[tuple[datetime, dict[str, object], bool]] = []

    def add(signed_up: datetime, ordered: datetime, device: str, address: str, *, is_fraud: bool) -> None:
        fields = {
            "user_id": f"u{len(made)}", "product_id": f"p{chance.randrange(300)}", "device_id": device,
            "ip_address": address, "amount": 100 * round(min(154, max(9, chance.gauss(37, 18)))),
            "account_created_date": signed_up,
        }  # fmt: skip
        made.append((ordered, fields, is_fraud))

    def moment() -> datetime:
        return START + 240 * DAY * chance.random()

    def address() -> str:
        return ".".join(str(chance.randrange(1, 255)) for _ in range(4))

    ringleaders = 0
    while len(made) < 0.05 * accounts:  # rings: a device, an address, accounts made one after the other by a program
        ringleaders += 1
        signed_up, place = moment(), address()
        for _ in range(chance.randrange(4, 20)):
            signed_up += timedelta(seconds=chance.expovariate(1 / 90))
            ordered = signed_up + timedelta(seconds=chance.choice((1, 1, 1, 2, 4)))
            add(signed_up, ordered, f"ring{ringleaders}", place, is_fraud=True)
    while len(made) < accounts:
        signed_up = moment()
        ordered = signed_up + 120 * DAY * chance.random() + timedelta(seconds=chance.expovariate(1 / 600))
        shared = chance.random() < 0.05
        device = f"d{chance.randrange(len(made) + 1) if shared else len(made)}"
        add(signed_up, ordered, device, address(), is_fraud=chance.random() < 0.04)
    return _labelled(made, 30 * DAY)


def card_payments(
    seed: int, customers: int = 500, terminals: int = 1_000, days: int = 120, *, near: int = 80
) -> list[LabelledOrder]:
    """Payments at terminals, every label 7 days later: 28 days of a compromised terminal, 14 days of a stolen card.

    Each customer pays at so many terminals that are `near`.
    """
    chance = random.Random(seed)
    habits = [
        (chance.uniform(5, 100), chance.uniform(0, 4), chance.sample(range(terminals), near)) for _ in range(customers)
    ]
    compromised: dict[int, int] = {}
    stolen: dict[int, int] = {}
    made: list[tuple[datetime, dict[str, object], bool]] = []
    for day in range(days):
        compromised |= {chance.randrange(terminals): day for _ in range(chance.random() < terminals / 5_000)}
        stolen |= {chance.randrange(customers): day for _ in range(chance.random() < 3 * customers / 5_000)}
        for customer, (mean, rate, used) in enumerate(habits):
            for _ in range(_poisson(chance, rate)):
                second = chance.gauss(43_200, 20_000)
                if not 0 < second < 86_400:
                    continue
                amount = chance.gauss(mean, mean / 2)
                amount = chance.uniform(0, 2 * mean) if amount < 0 else amount
                terminal = chance.choice(used)
                is_fraud = amount > 220 or day - compromised.get(terminal, -99) < 28
                if day - stolen.get(customer, -99) < 14 and chance.random() < 1 / 3:
                    amount, is_fraud = 5 * amount, True
                fields = {
                    "user_id": f"c{customer}", "amount": round(100 * amount),
                    "attributes": {"terminal_id": f"t{terminal}"}
                }  # fmt: skip
                made.append((START + day * DAY + timedelta(seconds=second), fields, is_fraud))
    return _labelled(made, 7 * DAY)


def _labelled(made: Sequence[tuple[datetime, dict[str, object], bool]], delay: timedelta) -> list[LabelledOrder]:
    made = sorted(made, key=lambda each: each[0])
    return [
        LabelledOrder(order(number, created, **fields), is_fraud, created + delay)
        for number, (created, fields, is_fraud) in enumerate(made)
    ]


def _poisson(chance: random.Random, rate: float) -> int:
    count, passed = 0, chance.expovariate(1)
    while passed < rate:
        count, passed = count + 1, passed + chance.expovariate(1)
    return count
