"""The API as a process of its own."""

from http import HTTPStatus
from typing import Self

from tests.support.service import ServiceProcess
from tests.support.waiting import eventually


class ApiProcess(ServiceProcess):
    """`order-api serve`, once it answers."""

    module, command = "order_api", "serve"
    port_setting = "ORDERWATCH_API_PORT"

    def __enter__(self) -> Self:
        super().__enter__()
        eventually(self._answers, "the API to answer")
        return self

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return self.get("/healthz")[0] == HTTPStatus.OK
