"""Applying a label to the histories of orders, given what is stored of its order."""

from typing import NamedTuple

from decision_engine.history.labelled_orders import LabelRank
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.labels.batch import RecordedLabel
from order_contract.event import OrderEvent
from order_contract.origin import Origin


class StoredOrder(NamedTuple):
    """An order as it is stored: the event, with the fields that features read, and where it came from."""

    event: OrderEvent
    origin: Origin


def apply_label(history: StreamFeatures, label: RecordedLabel, order: StoredOrder | None, epoch: int) -> None:
    """Count a label of an awaited order; `order` is None when none of its id is stored, `epoch` that of topic orders.

    The label counts now when the order does, and otherwise as soon as it does.
    """
    order_id, (_, partition, offset, label_epoch) = label.event.order_id, label.origin
    if order is not None:
        event, origin = order
        if event.created_date <= history.kept_since:
            history.skip_label(order_id)
            return
        if origin.epoch < epoch:
            history.find_labelled_before(event)
        else:
            history.find_labelled(event, origin.partition, origin.offset)
    history.apply_label(order_id, label.event.label, LabelRank(label_epoch, offset, partition))
