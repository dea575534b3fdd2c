"""Jobs: inserted, pending, running, done; what a load job does, it does when it is done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.fake_bigquery.api_error import ApiError, already_there, invalid, not_found
from tests.fake_bigquery.parquet_rows import Failure, read_rows
from tests.fake_bigquery.storage import Storage, check_labels, same_fields

_NOW = 1_795_000_000_000


@dataclass
class Job:
    """One job. `polls` is how often it must still be asked for until it runs, and then until it is done."""

    resource: dict[str, Any]
    media: bytes
    polls: int
    failure: Failure | None = None

    @property
    def state(self) -> str:
        found: str = self.resource["status"]["state"]
        return found


@dataclass
class Jobs:
    """All jobs of a project."""

    storage: Storage
    found: dict[str, Job] = field(default_factory=dict)
    polls: int = 0
    """How often the next jobs must be asked for, beyond once, before they run, and before they are done."""
    failures: list[Failure] = field(default_factory=list)
    """What the next jobs fail with."""
    numbers: "count[int]" = field(default_factory=count)

    def insert(self, body: Mapping[str, Any], media: bytes) -> dict[str, Any]:
        """Accept a load job, or refuse what can be seen at once."""
        reference = body["jobReference"]
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", reference["jobId"]):
            raise invalid(f'Invalid job ID "{reference["jobId"]}"')
        if reference["projectId"] != self.storage.project:
            raise ApiError(403, "accessDenied", f"Access Denied: Project {reference['projectId']}")
        if reference["jobId"] in self.found:
            raise already_there(f"Job {self._name(reference)}")
        if body["configuration"].keys() - {"labels"} != {"load"}:
            raise NotImplementedError("jobs other than loads")
        check_labels(body["configuration"].get("labels", {}))
        self._check_load(body["configuration"]["load"])
        resource = {
            **body,
            "id": self._name(reference),
            "status": {"state": "PENDING"},
            "statistics": {"creationTime": str(_NOW + next(self.numbers))},
        }
        failure = self.failures.pop(0) if self.failures else None
        self.found[reference["jobId"]] = Job(resource, media, self.polls, failure)
        return resource

    def get(self, job_id: str, location: str | None) -> dict[str, Any]:
        """A job as it stands; asking lets time pass."""
        job = self.found.get(job_id)
        if job is None or (location or "US") != job.resource["jobReference"].get("location", "US"):
            raise not_found(f"Job {self.storage.project}:{location}.{job_id}")
        self._pass_time(job)
        return job.resource

    def list(self, state: str | None) -> list[dict[str, Any]]:
        """Jobs in a state, newest first."""
        found = [job for job in self.found.values() if state in (None, job.state.lower())]
        return [{"id": job.resource["id"], "state": job.state, **job.resource} for job in reversed(found)]

    def _name(self, reference: Mapping[str, str]) -> str:
        return f"{reference['projectId']}:{reference.get('location', 'US')}.{reference['jobId']}"

    def _check_load(self, load: Mapping[str, Any]) -> None:
        if load.get("sourceFormat") != "PARQUET" or load.get("autodetect"):
            raise NotImplementedError(f"loading {load.get('sourceFormat')}")
        if load.get("maxBadRecords", 0) or load.get("ignoreUnknownValues", False):
            raise NotImplementedError("tolerated bad rows")
        if load.get("writeDisposition") != "WRITE_TRUNCATE" or load.get("createDisposition") != "CREATE_NEVER":
            raise NotImplementedError("loads that append or create")
        if "$" not in load["destinationTable"]["tableId"]:
            raise NotImplementedError("loads into whole tables")

    def _pass_time(self, job: Job) -> None:
        if job.state == "DONE":
            return
        if job.polls:
            job.polls -= 1
            return
        if job.state == "PENDING":
            job.resource["status"] = {"state": "RUNNING"}
            job.polls = self.polls
            return
        failure = job.failure or self._run(job)
        job.resource["status"] = {"state": "DONE"} | (failure.status if failure else {})

    def _run(self, job: Job) -> Failure | None:
        """Do it, all or nothing; returns why not."""
        load = job.resource["configuration"]["load"]
        target = load["destinationTable"]
        name, _, decorator = target["tableId"].partition("$")
        try:
            self._check_location(job, target["datasetId"])
            table = self.storage.table(target["datasetId"], name)
            table.check_decorator(decorator)
        except ApiError as error:
            return Failure(error.reason, error.message)
        if not same_fields(load.get("schema", {}).get("fields", ()), table.fields):
            return Failure("invalid", f"Provided Schema does not match Table {table.resource['id']}.")
        for part in ("timePartitioning", "clustering"):
            if load.get(part) != table.resource.get(part):
                return Failure(
                    "invalid",
                    f"Incompatible table partitioning specification. Expects {table.resource.get(part)}, "
                    f"but input partitioning specification is {load.get(part)}",
                )
        rows = read_rows(job.media, table.fields)
        if isinstance(rows, Failure):
            return rows
        if any(table.partition_of(row) != decorator for row in rows):
            return Failure(
                "invalid",
                f"Some rows belong to different partitions rather than destination partition "
                f"{table.resource['id']}${decorator}",
            )
        table.replace(decorator, rows)
        job.resource["statistics"]["load"] = {"outputRows": str(len(rows)), "badRecords": "0"}
        return None

    def _check_location(self, job: Job, dataset: str) -> None:
        location = job.resource["jobReference"].get("location", "US")
        if self.storage.dataset(dataset)["location"] != location:
            raise not_found(f"Dataset {self.storage.project}:{dataset} was not found in location {location}")
