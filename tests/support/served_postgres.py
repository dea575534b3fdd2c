"""`python -m tests.support.served_postgres`: a PostgreSQL for tests of another environment.

Prints a superuser's URL, then a response to each line of its standard input:

take                            the URL of a migrated, empty database
give URL                        `given`: others may take it
store URL START DAYS ORDERS     `stored`: it holds decided orders of past days

Serves until its standard input ends, as it does when its parent process is gone.
"""

import asyncio
import sys
from datetime import date

from tests.support import embedded
from tests.support.databases import Databases
from tests.support.past_orders import store_past_orders


async def serve(server: str) -> None:
    """Answer the lines of standard input."""
    databases = Databases(server)
    for line in sys.stdin:
        match line.split():
            case ["take"]:
                print(await databases.take(), flush=True)
            case ["give", url]:
                await databases.give_back(url)
                print("given", flush=True)
            case ["store", url, start, days, orders]:
                await store_past_orders(url, date.fromisoformat(start), int(days), int(orders))
                print("stored", flush=True)
            case _:
                raise ValueError(f"take, give URL or store URL START DAYS ORDERS, not {line!r}")


if __name__ == "__main__":
    with embedded.postgres() as url:
        print(url, flush=True)
        asyncio.run(serve(url))
