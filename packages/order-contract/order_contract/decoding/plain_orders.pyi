from collections.abc import Callable
from datetime import datetime
from typing import Any

from order_contract.event import OrderEvent
from order_contract.reference_data import PaymentMethods

class PlainOrders:
    def __init__(self, parse: Callable[[bytes], Any], methods: PaymentMethods) -> None: ...
    def decode(self, value: bytes, latest: datetime) -> OrderEvent | None: ...
