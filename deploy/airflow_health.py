"""Whether a part of Airflow works: `python airflow_health.py metadatabase|scheduler|dag_processor|triggerer HOST:PORT`.

Told by the health page of the API server there, without which no task runs. The page answers 200 whatever it says, and
knows the others by their last heartbeats in the database. Standard library only: containers run this every few seconds.
"""

import http.client
import json
import sys

PAGE = "/api/v2/monitor/health"


def problem(part: str, server: str) -> str | None:
    """None when the part works, else what is wrong. Blocks for at most some seconds."""
    connection = http.client.HTTPConnection(server, timeout=5)
    try:
        connection.request("GET", PAGE)
        found = json.load(connection.getresponse())[part]
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{server} does not say how it is ({error})"
    finally:
        connection.close()
    if found["status"] == "healthy":
        return None
    heartbeat = found.get(f"latest_{part}_heartbeat")
    return f"{part} is unhealthy, last heartbeat at {heartbeat}" if heartbeat else f"{part} has sent no heartbeat yet"


if __name__ == "__main__":
    sys.exit(problem(*sys.argv[1:]))
