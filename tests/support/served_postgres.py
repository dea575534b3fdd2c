"""`python -m tests.support.served_postgres`: a PostgreSQL for tests of another environment.

Prints a superuser's URL. Each line `take` of its standard input is answered by the URL of a migrated, empty database,
and each line `give URL` by `given`. Serves until its standard input ends, as it does when its parent process is gone.
"""

import asyncio
import sys

from tests.support import embedded
from tests.support.databases import Databases


async def serve(server: str) -> None:
    """Answer the lines of standard input."""
    databases = Databases(server)
    for line in sys.stdin:
        command, _, url = line.strip().partition(" ")
        if command == "take":
            print(await databases.take(), flush=True)
        else:
            await databases.give_back(url)
            print("given", flush=True)


if __name__ == "__main__":
    with embedded.postgres() as url:
        print(url, flush=True)
        asyncio.run(serve(url))
