"""Whether a service is ready, by its own account."""

import asyncio
import http.client
import json


async def ready_problem(port: int) -> str | None:
    """None when `/readyz` on the port says so, else what is wrong in words."""
    return await asyncio.to_thread(_ask, port)


def _ask(port: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/readyz")
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
