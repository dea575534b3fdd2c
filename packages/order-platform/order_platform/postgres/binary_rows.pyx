# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, infer_types=True
"""Rows in the binary format of Postgres' COPY, encoded and decoded as asyncpg's codecs do, in a fifth of their time.

Numbers are big-endian; a field is its length, -1 for null, and its bytes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport (
    PyDateTime_Check,
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_new,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    import_datetime,
)
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from datetime import UTC, datetime, timedelta

import orjson

import_datetime()

cdef extern from *:
    """
    #define SWAP_16(number) __builtin_bswap16((uint16_t)(number))
    #define SWAP_32(number) __builtin_bswap32((uint32_t)(number))
    #define SWAP_64(number) __builtin_bswap64((uint64_t)(number))
    #define IS_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
    """
    uint16_t SWAP_16(int16_t number) noexcept nogil
    uint32_t SWAP_32(int32_t number) noexcept nogil
    uint64_t SWAP_64(int64_t number) noexcept nogil
    bint IS_LITTLE_ENDIAN

if not IS_LITTLE_ENDIAN:
    raise ImportError("numbers of this machine are big-endian; asyncpg encodes its rows")

cdef enum:
    MOST_COLUMNS = 1_600  # of a table
    NUMBER_BYTES = 12  # a number of 64 bits after its length
    ARRAY_BYTES = 24  # the length and the header of an array
    TEXT_OID = 25
    HEADER_BYTES = 19  # of a COPY: signature, flags, length of an extension
    NULL_LENGTH = -1
    END = -1  # in the place of a row's number of columns

cdef enum Kind:
    TEXT, JSON, INT16, INT32, INT64, MOMENT, BYTES, TEXTS

_KINDS = {
    "text": TEXT,
    "json": JSON,
    "smallint": INT16,
    "integer": INT32,
    "bigint": INT64,
    "timestamptz": MOMENT,
    "bytea": BYTES,
    "text[]": TEXTS,
}

cdef object ZONE = UTC
cdef object EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
cdef object MICROSECOND = timedelta(microseconds=1)
cdef int64_t EPOCH_DAYS = 730425  # from the first of March of the year 0
cdef int64_t DAY = 86400 * 1000000LL
cdef object NEW_TUPLE = tuple.__new__


cdef class RowEncoder:
    """Encodes rows, tuples of as many values as there are `types`; each type is named as in SQL.

    A value is None, or of the one Python type that goes with its column's; any other raises TypeError, and a number that
    the column does not hold OverflowError.
    """

    cdef Kind kinds[MOST_COLUMNS]
    cdef Py_ssize_t width
    cdef char *buffer
    cdef Py_ssize_t length, size

    def __init__(self, types):
        if len(types) > MOST_COLUMNS:
            raise ValueError(f"a table has at most {MOST_COLUMNS} columns, not {len(types)}")
        for index, name in enumerate(types):
            self.kinds[index] = _KINDS[name]
        self.width = len(types)

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    def encode(self, rows):
        """The bytes of rows, without those that begin and end a COPY."""
        self.length = 0
        for row in rows:
            if not isinstance(row, tuple) or len(<tuple>row) != self.width:
                raise TypeError(f"a tuple of {self.width} values was expected, not {row!r}")
            self.reserve(sizeof(int16_t))
            self.put_int16(<int16_t>self.width)
            for index in range(self.width):
                value = <object>PyTuple_GET_ITEM(row, index)
                if value is None:
                    self.reserve(sizeof(int32_t))
                    self.put_int32(NULL_LENGTH)
                else:
                    self.put(self.kinds[index], value)
        return PyBytes_FromStringAndSize(self.buffer, self.length)

    cdef int put(self, Kind kind, object value) except -1:
        if kind == TEXT or kind == JSON:
            return self.put_text(value)
        if kind == BYTES:
            return self.put_bytes(PyBytes_AS_STRING(<bytes?>value), len(<bytes>value))
        if kind == TEXTS:
            return self.put_texts(value)
        self.reserve(NUMBER_BYTES)
        if kind == INT64:
            number = <int64_t>value
            self.put_int32(sizeof(int64_t))
            self.put_int64(number)
        elif kind == INT32:
            self.put_int32(sizeof(int32_t))
            self.put_int32(<int32_t>value)
        elif kind == INT16:
            self.put_int32(sizeof(int16_t))
            self.put_int16(<int16_t>value)
        else:
            self.put_int32(sizeof(int64_t))
            self.put_int64(microseconds(value))
        return 0

    cdef int put_text(self, object value) except -1:
        cdef Py_ssize_t length
        text = PyUnicode_AsUTF8AndSize(value, &length)
        return self.put_bytes(text, length)

    cdef int put_bytes(self, const char *value, Py_ssize_t length) except -1:
        self.reserve(length + sizeof(int32_t))
        self.put_int32(<int32_t>length)
        memcpy(self.buffer + self.length, value, length)
        self.length += length
        return 0

    cdef int put_texts(self, object values) except -1:
        count = len(<list?>values)
        self.reserve(ARRAY_BYTES)
        start = self.length
        self.length += sizeof(int32_t)
        self.put_int32(1 if count else 0)  # dimensions
        self.put_int32(0)  # no null is in it
        self.put_int32(TEXT_OID)
        if count:
            self.put_int32(<int32_t>count)
            self.put_int32(1)  # the first index
        for value in <list>values:
            self.put_text(value)
        end = self.length
        self.length = start
        self.put_int32(<int32_t>(end - start - sizeof(int32_t)))
        self.length = end
        return 0

    # ---- the buffer: who puts numbers has reserved their room

    cdef inline int reserve(self, Py_ssize_t more) except -1:
        return 0 if self.length + more <= self.size else self.grow(more)

    cdef int grow(self, Py_ssize_t more) except -1:
        size = 2 * (self.length + more)
        buffer = <char *>PyMem_Realloc(self.buffer, size)
        if buffer is NULL:
            raise MemoryError
        self.buffer, self.size = buffer, size
        return 0

    cdef inline void put_int16(self, int16_t number) noexcept:
        cdef uint16_t swapped = SWAP_16(number)
        memcpy(self.buffer + self.length, &swapped, sizeof(swapped))
        self.length += sizeof(swapped)

    cdef inline void put_int32(self, int32_t number) noexcept:
        cdef uint32_t swapped = SWAP_32(number)
        memcpy(self.buffer + self.length, &swapped, sizeof(swapped))
        self.length += sizeof(swapped)

    cdef inline void put_int64(self, int64_t number) noexcept:
        cdef uint64_t swapped = SWAP_64(number)
        memcpy(self.buffer + self.length, &swapped, sizeof(swapped))
        self.length += sizeof(swapped)


cdef int64_t microseconds(object moment) except? -1:
    """Microseconds since 2000, as Postgres stores a time."""
    if not PyDateTime_Check(moment) or datetime_tzinfo(moment) is not ZONE:
        return (moment - EPOCH) // MICROSECOND
    # The days of the Gregorian calendar, of years that begin in March.
    cdef int64_t month = datetime_month(moment)
    cdef int64_t year = datetime_year(moment) - (month <= 2)
    cdef int64_t day = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + datetime_day(moment) - 1
    cdef int64_t days = 365 * year + year // 4 - year // 100 + year // 400 + day - EPOCH_DAYS
    cdef int64_t seconds = 86400 * days + 3600 * datetime_hour(moment) + 60 * datetime_minute(moment) + datetime_second(moment)
    return 1000000 * seconds + datetime_microsecond(moment)


cdef class RowDecoder:
    """Decodes the bytes of a COPY as they arrive, from its beginning on.

    A row is a tuple, of which the first `head_width` columns are one tuple of `head_class`. JSON is decoded; arrays are
    not known here. Raises ValueError for what is not of the `types`, or a time that Python does not hold.
    """

    cdef Kind kinds[MOST_COLUMNS]
    cdef Py_ssize_t width, head_width
    cdef object head_class
    cdef bytes rest
    cdef bint has_begun

    def __init__(self, types, head_width, head_class):
        if len(types) > MOST_COLUMNS:
            raise ValueError(f"a table has at most {MOST_COLUMNS} columns, not {len(types)}")
        if not 0 <= head_width <= len(types) or "text[]" in types:
            raise ValueError(f"{head_width} of the columns {types} cannot be decoded as a head")
        for index, name in enumerate(types):
            self.kinds[index] = _KINDS[name]
        self.width, self.head_width, self.head_class = len(types), head_width, head_class
        self.rest = b""

    def decode(self, data):
        """The rows that are complete with these bytes."""
        cdef Py_ssize_t end
        data = <bytes?>(self.rest + data)  # asyncpg gives a bytearray where it joined several
        place = PyBytes_AS_STRING(data)
        stop = place + len(<bytes>data)
        rows = []
        if not self.has_begun:
            if stop - place < HEADER_BYTES:
                self.rest = data
                return rows
            place += HEADER_BYTES
            self.has_begun = True
        while stop - place >= <Py_ssize_t>sizeof(int16_t):
            if get_int16(place) == END:
                place = stop
                break
            if get_int16(place) != self.width:
                raise ValueError(f"a row of {self.width} columns was expected, not of {get_int16(place)}")
            end = self.length_of_row(place + sizeof(int16_t), stop)
            if end < 0:
                break
            rows.append(self.row(place + sizeof(int16_t)))
            place += sizeof(int16_t) + end
        self.rest = PyBytes_FromStringAndSize(place, stop - place)
        return rows

    cdef Py_ssize_t length_of_row(self, const char *start, const char *stop) noexcept:
        """How many bytes the row's columns take; -1 when they are not all there."""
        place = start
        for _ in range(self.width):
            if stop - place < <Py_ssize_t>sizeof(int32_t):
                return -1
            length = get_int32(place)
            place += sizeof(int32_t)
            if length > 0:
                if length > stop - place:
                    return -1
                place += length
        return place - start

    cdef object row(self, const char *place):
        head = PyTuple_New(self.head_width)
        row = PyTuple_New(1 + self.width - self.head_width)
        for index in range(self.width):
            length = get_int32(place)
            place += sizeof(int32_t)
            value = None if length == NULL_LENGTH else decoded(self.kinds[index], place, length)
            place += max(length, 0)
            Py_INCREF(value)
            if index < self.head_width:
                PyTuple_SET_ITEM(head, index, value)
            else:
                PyTuple_SET_ITEM(row, 1 + index - self.head_width, value)
        head = NEW_TUPLE(self.head_class, head)
        Py_INCREF(head)
        PyTuple_SET_ITEM(row, 0, head)
        return row


cdef object decoded(Kind kind, const char *place, int32_t length):
    if kind == TEXT:
        return PyUnicode_DecodeUTF8(place, length, "strict")
    if kind == JSON:
        return orjson.loads(place[:length])
    if kind == BYTES:
        return place[:length]
    expected = sizeof(int16_t) if kind == INT16 else sizeof(int32_t) if kind == INT32 else sizeof(int64_t)
    if length != <int32_t>expected:
        raise ValueError(f"a number of {expected} bytes was expected, not of {length}")
    if kind == INT16:
        return get_int16(place)
    if kind == INT32:
        return get_int32(place)
    return get_int64(place) if kind == INT64 else moment_of(get_int64(place))


cdef object moment_of(int64_t microseconds):
    """The time so long after 2000, as `microseconds` counts it."""
    cdef int64_t days = microseconds // DAY
    cdef int64_t time = microseconds - days * DAY
    if time < 0:
        days, time = days - 1, time + DAY
    cdef int64_t day = days + EPOCH_DAYS
    cdef int64_t era = (day if day >= 0 else day - 146096) // 146097
    day -= era * 146097
    cdef int64_t year_of_era = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year_of_era + year_of_era // 4 - year_of_era // 100
    cdef int64_t month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    month += 3 if month < 10 else -9
    cdef int64_t year = year_of_era + era * 400 + (month <= 2)
    if not 1 <= year <= 9999:
        raise ValueError(f"Python has no time {microseconds} microseconds after 2000")
    seconds = time // 1000000
    return datetime_new(year, month, day, seconds // 3600, seconds // 60 % 60, seconds % 60, time % 1000000, ZONE)


cdef inline int16_t get_int16(const char *place) noexcept:
    cdef int16_t number
    memcpy(&number, place, sizeof(number))
    return <int16_t>SWAP_16(number)


cdef inline int32_t get_int32(const char *place) noexcept:
    cdef int32_t number
    memcpy(&number, place, sizeof(number))
    return <int32_t>SWAP_32(number)


cdef inline int64_t get_int64(const char *place) noexcept:
    cdef int64_t number
    memcpy(&number, place, sizeof(number))
    return <int64_t>SWAP_64(number)
