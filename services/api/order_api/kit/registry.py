"""Registry of the process's services, and the FastAPI dependency that finds one of them."""

from typing import Any, Generic, TypeVar, cast

from starlette.requests import HTTPConnection

Service = TypeVar("Service")


class ServiceRegistry:
    """One service of each class, on `app.state.services`; `app.py` fills it when the process starts."""

    def __init__(self) -> None:
        self._services: dict[type, Any] = {}

    def add(self, service: Service) -> Service:
        """Register a service by its class; returns it."""
        self._services[type(service)] = service
        return service

    def get(self, kind: type[Service]) -> Service:
        """The service of a class."""
        return cast("Service", self._services[kind])


def find_service(request: HTTPConnection, kind: type[Service]) -> Service:
    """The service of a class, of the application that handles `request`."""
    registry: ServiceRegistry = request.app.state.services
    return registry.get(kind)


class Provider(Generic[Service]):
    """A FastAPI dependency: the service of a class. Each feature has an `Annotated` alias for its own."""

    def __init__(self, kind: type[Service]) -> None:
        self._kind = kind

    async def __call__(self, request: HTTPConnection) -> Any:
        return self.find(request)

    def find(self, request: HTTPConnection) -> Service:
        """The service, for routes that do without FastAPI's solving of dependencies."""
        return find_service(request, self._kind)
