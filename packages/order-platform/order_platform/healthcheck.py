"""Health check of a service: `python -m order_platform.healthcheck [HOST:]PORT` exits with 1 when it is not ready.

Standard library only: containers run it every few seconds, and their images have no curl.
"""

import http.client
import json
import sys


def ready_problem(port: int, host: str = "127.0.0.1", path: str = "/readyz") -> str | None:
    """The problem of a service that is not ready, else None. Blocks for a few seconds at most."""
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no response on port {port} ({error})"
    finally:
        connection.close()
    if response.status == http.client.OK:
        return None
    try:
        document = json.loads(body)
        return str(document.get("problem") or document.get("detail") or response.status)
    except (ValueError, AttributeError):
        return f"responses {response.status}"


def main() -> None:
    """Print the problem, as `docker inspect` shows it."""
    host, _, port = sys.argv[1].rpartition(":")
    sys.exit(ready_problem(int(port), host or "127.0.0.1"))


if __name__ == "__main__":
    main()
