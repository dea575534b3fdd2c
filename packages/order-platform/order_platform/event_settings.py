"""Settings of decoding order events, the same for every process that decodes."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_settings import NoDecode

from order_contract.decoding.decoder import DEFAULT_MAX_FUTURE_HOURS, MAX_FUTURE_HOURS, EventDecoder
from order_contract.reference_data import MAX_PAYMENT_METHOD_LENGTH
from order_platform.setting_types import parse_names
from order_platform.settings import ProcessSettings

PaymentMethodName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PAYMENT_METHOD_LENGTH)
]


class EventSettings(ProcessSettings):
    """How messages of topic orders are decoded."""

    payment_methods: Annotated[tuple[PaymentMethodName, ...], NoDecode, BeforeValidator(parse_names)] = Field(
        (), description='more payment methods: ["ShopeePay Later"], or separated by commas'
    )
    max_future_hours: float = Field(
        DEFAULT_MAX_FUTURE_HOURS,
        ge=0,
        le=MAX_FUTURE_HOURS,
        description="how far an order's times may be ahead of the time at which the broker appended it",
    )

    def event_decoder(self) -> EventDecoder:
        """A decoder by these settings."""
        return EventDecoder(self.payment_methods, max_future_hours=self.max_future_hours)
