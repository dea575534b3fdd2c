"""Asks a service whether it is ready: `python -m order_platform.healthcheck [HOST:]PORT` exits with 1 when not.

Standard library only: containers run it every few seconds, and their images have no curl.
"""

import http.client
import json
import sys


def ready_problem(port: int, host: str = "127.0.0.1", path: str = "/readyz") -> str | None:
    """None when the page says so, else what is wrong in words. Blocks for at most some seconds."""
    connection = http.client.HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"no answer on port {port} ({error})"
    finally:
        connection.close()
    if answer.status == http.client.OK:
        return None
    try:
        said = json.loads(body)
        return str(said.get("problem") or said.get("detail") or answer.status)
    except (ValueError, AttributeError):
        return f"answers {answer.status}"


def main() -> None:
    """The command: prints what is wrong, for `docker inspect` and people."""
    host, _, port = sys.argv[1].rpartition(":")
    sys.exit(ready_problem(int(port), host or "127.0.0.1"))


if __name__ == "__main__":
    main()
