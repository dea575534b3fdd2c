"""`python -m tests.support.served_postgres`: a PostgreSQL for tests of another environment.

Prints a superuser's URL and serves until its standard input ends, as it does when its parent process is gone.
"""

import sys

from tests.support import embedded

if __name__ == "__main__":
    with embedded.postgres() as url:
        print(url, flush=True)
        sys.stdin.read()
