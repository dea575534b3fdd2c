"""Ids of the orders that were read last."""

from fraud_detector.stream.recent_orders import RecentOrders


def are_repeated(recent: RecentOrders, order_ids: str) -> list[bool]:
    return [recent.is_repeated(each) for each in order_ids]


def test_a_repeat_of_one_of_the_latest_orders_is_known() -> None:
    assert are_repeated(RecentOrders(4), "aabcba") == [False, True, False, False, True, True]


def test_between_half_of_the_most_and_the_most_are_known() -> None:
    recent = RecentOrders(4)
    for each in "abcd":
        recent.note(each)
    assert are_repeated(recent, "abcd") == [True] * 4
    recent.note("e")
    assert are_repeated(recent, "cde") == [True] * 3
    assert are_repeated(recent, "a") == [False]


def test_what_was_only_noted_is_repeated() -> None:
    recent = RecentOrders(4)
    recent.note("a")
    assert are_repeated(recent, "ab") == [True, False]
    recent.note("b")
    recent.note("c")
    assert are_repeated(recent, "abc") == [True] * 3


def test_a_forgotten_order_is_new_and_no_other_one_is() -> None:
    recent = RecentOrders(4)
    are_repeated(recent, "abc")
    recent.forget(["a", "c"])
    assert are_repeated(recent, "bac") == [True, False, False]


def test_an_order_may_be_forgotten_again_and_again() -> None:
    recent = RecentOrders(2)
    for _ in range(3):
        assert are_repeated(recent, "ab") == [False, False]
        recent.forget(["a", "b"])
