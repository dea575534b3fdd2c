"""The Storage Read API of the fake: read sessions over gRPC, whose streams are Arrow batches of a table's rows."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC
from threading import Lock
from typing import Final

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1.types import (
    ArrowRecordBatch,
    ArrowSchema,
    CreateReadSessionRequest,
    DataFormat,
    ReadRowsRequest,
    ReadRowsResponse,
    ReadSession,
    ReadStream,
)

from tests.fake_bigquery.api_error import ApiError
from tests.fake_bigquery.queries import Result

_SERVICE: Final = "google.cloud.bigquery.storage.v1.BigQueryRead"
_STREAMS: Final = 2
"""As many as BigQuery gives at most; rows of a table are dealt out to them in turn."""
_ROWS_PER_BATCH: Final = 2
_TYPES: Final[Mapping[str, pa.DataType]] = {
    "STRING": pa.string(), "INTEGER": pa.int64(), "FLOAT": pa.float64(), "BOOLEAN": pa.bool_(), "DATE": pa.date32(),
    "NUMERIC": pa.decimal128(38, 9), "DATETIME": pa.timestamp("us"), "TIMESTAMP": pa.timestamp("us", UTC),
}  # fmt: skip
_STATUSES: Final = {
    403: grpc.StatusCode.PERMISSION_DENIED, 404: grpc.StatusCode.NOT_FOUND, 503: grpc.StatusCode.UNAVAILABLE,
}  # fmt: skip


class ReadSessions:
    """Sessions over the tables of a project, and over the tables that hold the results of queries."""

    def __init__(self) -> None:
        self.sessions: list[ReadSession] = []
        """Those that were created."""
        self.cut_off_after: int | None = None
        """The number of rows after which the next stream breaks off."""
        self._streams: dict[str, pa.Table] = {}
        self._lock = Lock()

    def create(self, request: CreateReadSessionRequest, result: Result) -> ReadSession:
        """A session of as many streams as there may be."""
        asked = request.read_session
        if asked.data_format != DataFormat.ARROW:
            raise NotImplementedError(asked.data_format)
        schema = pa.schema([(field["name"], _TYPES[field["type"]]) for field in result.fields])
        wanted = list(asked.read_options.selected_fields) or schema.names
        columns = dict(zip(schema.names, zip(*result.rows, strict=True), strict=True)) if result.rows else {}
        rows = pa.table({field.name: pa.array(columns.get(field.name, ()), field.type) for field in schema})
        rows = rows.select(wanted)
        count = min(request.max_stream_count or _STREAMS, _STREAMS)
        with self._lock:
            name = f"{request.parent}/locations/here/sessions/{len(self.sessions)}"
            session = ReadSession(
                name=name,
                table=asked.table,
                data_format=DataFormat.ARROW,
                arrow_schema=ArrowSchema(serialized_schema=rows.schema.serialize().to_pybytes()),
            )
            for number in range(count if result.rows else 0):
                stream = f"{name}/streams/{number}"
                self._streams[stream] = rows.take(list(range(number, len(rows), count)))
                session.streams.append(ReadStream(name=stream))
            self.sessions.append(session)
        return session

    def read(self, request: ReadRowsRequest) -> Iterator[ReadRowsResponse]:
        """The rows of a stream from an offset on."""
        rows = self._streams[request.read_stream]
        end = len(rows)
        with self._lock:
            is_cut_off = self.cut_off_after is not None
            if self.cut_off_after is not None:
                end, self.cut_off_after = self.cut_off_after, None
        for start in range(request.offset, end, _ROWS_PER_BATCH):
            part = rows.slice(start, min(_ROWS_PER_BATCH, end - start)).combine_chunks()
            for batch in part.to_batches():
                yield ReadRowsResponse(
                    arrow_record_batch=ArrowRecordBatch(serialized_record_batch=batch.serialize().to_pybytes()),
                    arrow_schema=ArrowSchema(serialized_schema=batch.schema.serialize().to_pybytes()),
                    row_count=batch.num_rows,
                )
        if is_cut_off:
            raise ApiError(503, "backendError", "the stream broke off")


@contextmanager
def serving_reads(sessions: ReadSessions, find: Callable[[str], Result]) -> Iterator[str]:
    """Serve them over gRPC; yields the address. `find` gives a table by its path, or raises ApiError."""

    def create(request: CreateReadSessionRequest, context: grpc.ServicerContext) -> ReadSession:
        with _statuses(context):
            return sessions.create(request, find(request.read_session.table))

    def read(request: ReadRowsRequest, context: grpc.ServicerContext) -> Iterator[ReadRowsResponse]:
        with _statuses(context):
            yield from sessions.read(request)

    methods = {
        "CreateReadSession": grpc.unary_unary_rpc_method_handler(
            create, CreateReadSessionRequest.deserialize, ReadSession.serialize
        ),
        "ReadRows": grpc.unary_stream_rpc_method_handler(read, ReadRowsRequest.deserialize, ReadRowsResponse.serialize),
    }
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


@contextmanager
def _statuses(context: grpc.ServicerContext) -> Iterator[None]:
    """Errors as statuses of gRPC."""
    try:
        yield
    except ApiError as error:
        context.abort(_STATUSES[error.status], error.message)
