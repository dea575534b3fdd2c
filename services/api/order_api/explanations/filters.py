"""Query parameters of an order's message."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class MessageParameters(BaseModel):
    """Parameters of `/v1/orders/{order_id}/message`."""

    model_config = ConfigDict(extra="forbid")

    whole: Annotated[bool, Field(description="all bytes of the message instead of the first 65,536")] = False
