"""Problems about other things that are requested: saved searches, keys, lists, marts."""

from order_api.http.problems.problem import Problem


class SavedSearchUnknown(Problem):
    """You have saved no search under this name: `GET /v1/saved-searches` lists them. One that others share
    can be deleted only by its owner."""

    status = 404
    code = "saved-search-unknown"
    title = "You have no such search"

    def __init__(self, name: str) -> None:
        super().__init__(f"you have saved no search {name!r}")


class TooManySavedSearches(Problem):
    """You have as many saved searches as one key may have. Delete one."""

    status = 409
    code = "too-many-saved-searches"
    title = "You have too many saved searches"

    def __init__(self, most: int) -> None:
        super().__init__(f"you have {most} saved searches, which is the most; delete one")


class KeyUnknown(Problem):
    """No valid key has this id: it was never made, or it is revoked already. `GET /v1/keys` lists the keys."""

    status = 404
    code = "key-unknown"
    title = "No valid key has this id"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no valid key has the id {key_id}")


class ListUnknown(Problem):
    """No list has this name: `GET /v1/lists` lists them.

    A list is created by `POST /v1/lists`, or by a detector whose ruleset declares it; that of a rule's snoozes by the
    first one.
    """

    status = 404
    code = "list-unknown"
    title = "The list does not exist"


class ListExists(Problem):
    """A list of this name exists, with another kind or field; both stay as they are. Choose another name."""

    status = 409
    code = "list-exists"
    title = "Another list has this name"


class MartUnknown(Problem):
    """The batch side has published no mart of this name: `/v1/marts` lists them. There are none before its first run.

    `make batch DATE=...` runs it for a business date; Airflow does so every night.
    """

    status = 404
    code = "mart-unknown"
    title = "The mart does not exist"

    def __init__(self, name: str) -> None:
        super().__init__(f"no mart {name} is published")
