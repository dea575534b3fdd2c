"""The marketplace pack, live and untuned, on labelled histories: what it catches, and how often it is right."""

import pytest

from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import load_ruleset
from tests.support.labelled_histories import DAY, START, card_payments, catch, first_orders

LIVE = add_marketplace_pack(load_ruleset(), PackMode.LIVE)


@pytest.mark.parametrize("seed", [11, 12])
def test_first_orders_of_rings_are_caught(seed: int) -> None:
    caught = catch(LIVE, first_orders(seed, accounts=3_000))
    assert caught.recall > 0.5
    assert caught.precision > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("legitimate_too", [True, False], ids=["all labels", "fraud labels only"])
def test_card_payments_at_compromised_terminals_and_by_stolen_cards_are_caught(*, legitimate_too: bool) -> None:
    # The first month has no labels yet, and no past from which to know what is usual.
    caught = catch(
        LIVE,
        card_payments(11, customers=170, terminals=340, days=75, near=28),
        counted_from=START + 30 * DAY,
        legitimate_too=legitimate_too,
    )
    wanted = 0.65 if legitimate_too else 0.6
    assert caught.recall > wanted
    assert caught.precision > wanted


def test_in_shadow_nothing_is_flagged() -> None:
    shadow = add_marketplace_pack(load_ruleset(), PackMode.SHADOW)
    assert catch(shadow, first_orders(11, accounts=2_000)).recall == 0
