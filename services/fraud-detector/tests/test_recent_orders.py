"""Ids of the orders that were read last."""

from fraud_detector.stream.recent_orders import RecentOrders


def are_repeated(recent: RecentOrders, order_ids: str) -> list[bool]:
    return [recent.is_repeated(each) for each in order_ids]


def test_the_latest_orders_are_known() -> None:
    assert are_repeated(RecentOrders(3), "aabcdab") == [False, True, False, False, False, False, False]
    assert are_repeated(RecentOrders(3), "abcbca") == [False, False, False, True, True, True]


def test_what_was_only_noted_is_known_once_it_matters() -> None:
    recent = RecentOrders(3)
    for each in "abcd":
        recent.add(each)
    assert are_repeated(recent, "da") == [True, False]


def test_a_forgotten_order_is_new_whatever_comes_in_between() -> None:
    recent = RecentOrders()
    are_repeated(recent, "abc")
    recent.forget(["a"])
    recent.add("d")
    assert are_repeated(recent, "abcd") == [False, True, True, True]


def test_an_order_that_is_forgotten_while_orders_are_only_noted_is_new() -> None:
    recent = RecentOrders()
    recent.add("a")
    recent.forget([])
    assert are_repeated(recent, "a") == [True]
    recent.add("b")
    recent.forget(["b"])
    assert are_repeated(recent, "b") == [False]


def test_no_more_than_the_latest_are_known() -> None:
    recent = RecentOrders(2)
    for _ in range(3):
        are_repeated(recent, "ab")
        recent.forget(["a", "b"])
    assert are_repeated(recent, "abcab") == [False, False, False, False, False]


def test_what_others_stored_is_repeated_whether_or_not_it_was_asked_for_any_before() -> None:
    recent = RecentOrders(3)
    recent.note_stored("a")
    assert are_repeated(recent, "ab") == [True, False]
    recent.note_stored("b")
    recent.note_stored("c")
    assert are_repeated(recent, "abc") == [True, True, True]
    recent.note_stored("d")
    assert are_repeated(recent, "bcda") == [True, True, True, False]
