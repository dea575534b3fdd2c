"""What each call does."""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from tests.fake_bigquery import queries
from tests.fake_bigquery.api_error import invalid
from tests.fake_bigquery.jobs import Jobs
from tests.fake_bigquery.storage import Storage
from tests.fake_bigquery.values import written

Parameters = Mapping[str, str]
RESULTS = "_results"
"""The dataset of the tables that hold the results of queries."""


class Calls:
    """The API's methods that are known, by their ids."""

    def __init__(self, project: str) -> None:
        self.storage = Storage(project)
        self.jobs = Jobs(self.storage)
        self.page_size = 1_000
        """The most rows that an answer holds."""
        self.slow_queries = 0
        """How often the next queries must be asked for."""
        self._results: dict[str, tuple[queries.Result, str]] = {}
        self._statements: dict[str, str] = {}
        self._numbers = count(1)
        self._known: dict[str, Callable[[Parameters, Any], Any]] = {
            "datasets.insert": lambda _, body: self.storage.insert_dataset(body),
            "datasets.get": lambda given, _: self.storage.dataset(given["datasetId"]),
            "datasets.delete": lambda given, _: self.storage.delete_dataset(
                given["datasetId"], with_contents=given.get("deleteContents") == "true"
            ),
            "tables.insert": lambda given, body: self.storage.insert_table(given["datasetId"], body),
            "tables.list": lambda given, _: self.storage.list_tables(given["datasetId"]),
            "tables.get": lambda given, _: self.storage.table(given["datasetId"], given["tableId"]).resource,
            "tables.patch": lambda given, body: self.storage.patch_table(given["datasetId"], given["tableId"], body),
            "tables.delete": lambda given, _: self.storage.delete_table(given["datasetId"], given["tableId"]),
            "tabledata.list": lambda given, _: self._rows(given),
            "jobs.get": lambda given, _: self._job(given["jobId"], given.get("location")),
            "jobs.list": lambda given, _: {"jobs": self.jobs.list(given.get("stateFilter"))},
            "jobs.query": lambda _, body: self._query(body),
            "jobs.getQueryResults": lambda given, _: self._query_results(given),
        }

    def __call__(self, call: str, parameters: Parameters, body: Any) -> Any:
        """Do it; raises ApiError, and NotImplementedError for what is not known."""
        if call not in self._known:
            raise NotImplementedError(call)
        return self._known[call](parameters, body)

    def rows_of(self, dataset: str, name: str) -> queries.Result:
        """What a table holds, or the table that holds the result of a query."""
        if dataset == RESULTS:
            return self._results[name][0]
        table = self.storage.table(dataset, name)
        if table.resource["type"] != "TABLE":
            raise invalid(f"Cannot read a table of type {table.resource['type']}.")
        return queries.Result(table.fields, [tuple(row[each["name"]] for each in table.fields) for row in table.rows])

    def _rows(self, given: Parameters) -> dict[str, Any]:
        return self._page(self.rows_of(given["datasetId"], given["tableId"]).rows, given)

    def _page(self, rows: Sequence[tuple[Any, ...]], given: Parameters) -> dict[str, Any]:
        if given.get("formatOptions.useInt64Timestamp", "").lower() != "true":
            raise NotImplementedError("timestamps as floating point")
        start = int(given.get("pageToken", 0))
        end = start + min(int(given.get("maxResults", self.page_size)), self.page_size)
        cells = [{"f": [{"v": written(value)} for value in row]} for row in rows[start:end]]
        page: dict[str, Any] = {"totalRows": str(len(rows)), "rows": cells}
        return page | ({"pageToken": str(end)} if end < len(rows) else {})

    def _query(self, body: Any) -> dict[str, Any]:
        job_id = f"query-{next(self._numbers)}"
        self._results[job_id] = (queries.run(self.storage, body), body["location"])
        self._statements[job_id] = body["query"]
        options = {f"formatOptions.{name}": str(value) for name, value in body["formatOptions"].items()}
        return self._answer(job_id, options | {"maxResults": str(body["maxResults"])}, "bigquery#queryResponse")

    def _query_results(self, given: Parameters) -> dict[str, Any]:
        answer = self._answer(given["jobId"], given, "bigquery#getQueryResultsResponse")
        self.slow_queries = max(0, self.slow_queries - 1)
        return answer

    def _answer(self, job_id: str, given: Parameters, kind: str) -> dict[str, Any]:
        answer = {"kind": kind, "jobReference": self._reference(job_id), "jobComplete": not self.slow_queries}
        if self.slow_queries:
            return answer
        result, _ = self._results[job_id]
        return answer | {"schema": {"fields": result.fields}, **self._page(result.rows, given)}

    def _job(self, job_id: str, location: str | None) -> dict[str, Any]:
        if job_id not in self._results:
            return self.jobs.get(job_id, location)
        return {
            "jobReference": self._reference(job_id),
            "configuration": {
                "jobType": "QUERY",
                "query": {
                    "query": self._statements[job_id],
                    "useLegacySql": False,
                    "destinationTable": {
                        "projectId": self.storage.project,
                        "datasetId": RESULTS,
                        "tableId": job_id,
                    },
                },
            },
            "status": {"state": "RUNNING" if self.slow_queries else "DONE"},
            "statistics": {"query": {}},
        }

    def _reference(self, job_id: str) -> dict[str, str]:
        return {"projectId": self.storage.project, "jobId": job_id, "location": self._results[job_id][1]}
