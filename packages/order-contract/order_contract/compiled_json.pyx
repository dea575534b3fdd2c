# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, infer_types=True
"""What is written as JSON for each order: its features, its published decision, and the event beside that.

The features are values in a fixed order; all orders of one state share the names. They are a mapping as a dict is. Most
are written as JSON and read by rules, never looked up one by one, and both take a third of a dict's time so.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.datetime cimport (
    PyDateTime_CheckExact,
    datetime_day,
    datetime_hour,
    datetime_microsecond,
    datetime_minute,
    datetime_month,
    datetime_second,
    datetime_tzinfo,
    datetime_year,
    import_datetime,
)
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.list cimport PyList_GET_ITEM
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GetSlice, PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, strlen

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from datetime import UTC

import orjson

import_datetime()

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1
    object PyUnicode_New(Py_ssize_t length, int most)
    void *PyUnicode_DATA(object text) noexcept
    bint PyUnicode_IS_COMPACT_ASCII(object text) noexcept
    Py_ssize_t PyUnicode_GET_LENGTH(object text) noexcept

cdef enum:
    NUMBER_BYTES = 24  # at least what a number of 64 bits takes, and ".0" after it
    MOST_ASCII = 127
    MOST_WHOLE = 1_000_000_000  # larger floats may have an exponent
    MOMENT_BYTES = 34  # "2026-11-22T10:00:01.250000+00:00" with its quotes
    NAME_BYTES = 16  # at least what the longest of the names that are written here takes

cdef char ZERO = 48
cdef char MINUS = 45
cdef char QUOTE = 34
cdef char BACKSLASH = 92
cdef char SPACE = 32
cdef uint64_t ONES = 0x0101010101010101
cdef uint64_t HIGHEST_BITS = 0x80 * ONES
cdef uint64_t SPACES = SPACE * ONES
cdef uint64_t QUOTES = QUOTE * ONES
cdef uint64_t BACKSLASHES = BACKSLASH * ONES
cdef object DUMPS = orjson.dumps
cdef object ZONE = UTC


cdef class FeatureNames:
    """The names of features, in the order of their values."""

    cdef tuple names
    cdef dict positions
    cdef list prefixes
    cdef bint is_ascii
    cdef dict longer

    def __init__(self, names):
        self.names = tuple(names)
        self.positions = {name: position for position, name in enumerate(self.names)}
        # What comes before each value in JSON.
        self.prefixes = [(b"," if position else b"{") + DUMPS(name) + b":" for position, name in enumerate(self.names)]
        self.is_ascii = all(prefix.isascii() for prefix in self.prefixes)
        self.longer = {}

    def give(self, list values):
        """The features that have these values, which must be as many; the list becomes theirs."""
        cdef FeatureValues features = FeatureValues.__new__(FeatureValues)
        features.names = self
        features.given = values
        return features

    cdef FeatureNames with_name(self, name):
        """These names and one more: the same object each time."""
        longer = self.longer.get(name)
        if longer is None:
            longer = self.longer[name] = FeatureNames((*self.names, name))
        return longer


cdef class FeatureValues:
    """The features of one order, by name. A new one comes after the others; none is deleted."""

    cdef FeatureNames names
    cdef list given

    def __getitem__(self, name):
        return self.given[self.names.positions[name]]

    def __setitem__(self, name, value):
        position = self.names.positions.get(name)
        if position is None:
            self.names = self.names.with_name(name)
            self.given.append(value)
        else:
            self.given[position] = value

    def __contains__(self, name):
        return name in self.names.positions

    def __iter__(self):
        return iter(self.names.names)

    def __len__(self):
        return len(self.given)

    def get(self, name, default=None):
        """The value of a feature, or `default` without it."""
        position = self.names.positions.get(name)
        return default if position is None else self.given[position]

    def keys(self):
        """The names."""
        return KeysView(self)

    def values(self):
        """The values, in the order of the names."""
        return ValuesView(self)

    def items(self):
        """Names with their values."""
        return ItemsView(self)

    def __eq__(self, other):
        return dict(self) == other if isinstance(other, Mapping) else NotImplemented

    def __repr__(self):
        return repr(dict(self))


Mapping.register(FeatureValues)


cdef class FeatureReader:
    """Reads the values of some names, in their order."""

    cdef tuple names
    cdef FeatureNames known  # of the features that were read last: the next ones mostly have the same
    cdef Py_ssize_t *positions  # of the names there; -1 for one that is missing
    cdef Py_ssize_t count

    def __init__(self, names):
        self.names = tuple(names)
        self.count = len(self.names)
        self.positions = <Py_ssize_t *>PyMem_Calloc(self.count + 1, sizeof(Py_ssize_t))
        if self.positions is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.positions)

    def read(self, features):
        """The value of each name, None where there is none."""
        cdef Py_ssize_t index, position
        if type(features) is not FeatureValues:
            return tuple(map(features.get, self.names))
        if (<FeatureValues>features).names is not self.known:
            self.know((<FeatureValues>features).names)
        given = (<FeatureValues>features).given
        found = PyTuple_New(self.count)
        for index in range(self.count):
            position = self.positions[index]
            value = None if position < 0 else <object>PyList_GET_ITEM(given, position)
            Py_INCREF(value)
            PyTuple_SET_ITEM(found, index, value)
        return found

    cdef int know(self, FeatureNames names) except -1:
        for index, name in enumerate(self.names):
            self.positions[index] = names.positions.get(name, -1)
        self.known = names
        return 0


cdef inline bint has_to_escape(const char *ascii, Py_ssize_t length) noexcept:
    """Whether a JSON string has one of these characters in another form: controls, quotes, backslashes."""
    cdef Py_ssize_t index = 0
    cdef uint64_t eight
    # Eight at once: the subtraction borrows into a character's highest bit when it is one of those.
    while index + 8 <= length:
        memcpy(&eight, ascii + index, 8)
        if (eight - SPACES | (eight ^ QUOTES) - ONES | (eight ^ BACKSLASHES) - ONES) & HIGHEST_BITS:
            return True
        index += 8
    while index < length:
        if ascii[index] < SPACE or ascii[index] == QUOTE or ascii[index] == BACKSLASH:
            return True
        index += 1
    return False


cdef class Text:
    """A growing JSON text."""

    cdef char *start
    cdef Py_ssize_t length, size
    cdef bint is_ascii

    def __dealloc__(self):
        PyMem_Free(self.start)

    cdef inline int reserve(self, Py_ssize_t more) except -1:
        return 0 if self.length + more <= self.size else self.grow(more)

    cdef int grow(self, Py_ssize_t more) except -1:
        size = 2 * (self.length + more)
        start = <char *>PyMem_Realloc(self.start, size)
        if start is NULL:
            raise MemoryError
        self.start, self.size = start, size
        return 0

    cdef inline void put(self, const char *text, Py_ssize_t length) noexcept:
        """Append what has room."""
        memcpy(self.start + self.length, text, length)
        self.length += length

    cdef int put_value(self, object value) except -1:
        """Append a value as orjson writes it; there is room for a number."""
        cdef int overflow = 0
        cdef int64_t number
        cdef double fraction
        if value is None:
            self.put(b"null", 4)
            return 0
        if type(value) is int:
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if not overflow:
                self.put_integer(number)
                return 0
        elif type(value) is float:
            fraction = PyFloat_AS_DOUBLE(value)
            # Most are whole. Of zeros, the negative one has a sign.
            if 0 < fraction < MOST_WHOLE or (fraction == 0 and 1 / fraction > 0):
                number = <int64_t>fraction
                if number == fraction:
                    self.put_integer(number)
                    self.put(b".0", 2)
                    return 0
        return self.put_written(value)

    cdef inline void put_integer(self, int64_t number) noexcept:
        if 0 <= number < 10:  # as most are
            self.start[self.length] = ZERO + <char>number
            self.length += 1
        else:
            self.put_digits(number)

    cdef void put_digits(self, int64_t number) noexcept:
        cdef char digits[NUMBER_BYTES]
        cdef uint64_t rest = <uint64_t>number
        cdef Py_ssize_t place = NUMBER_BYTES
        if number < 0:
            rest = 0 - rest
        while True:
            place -= 1
            digits[place] = ZERO + <char>(rest % 10)
            rest //= 10
            if not rest:
                break
        if number < 0:
            place -= 1
            digits[place] = MINUS
        self.put(digits + place, NUMBER_BYTES - place)

    cdef inline int put_name(self, const char *text) except -1:
        """Append the name of a member, as it is written here; then there is room for a number."""
        self.reserve(NAME_BYTES + NUMBER_BYTES)
        self.put(text, strlen(text))
        return 0

    cdef int put_written(self, object value) except -1:
        """Append a value as orjson writes it, whatever it is."""
        written = <bytes>DUMPS(value)
        self.reserve(len(written))
        self.put(PyBytes_AS_STRING(written), len(written))
        self.is_ascii = self.is_ascii and written.isascii()
        return 0

    cdef int put_bytes(self, bytes text) except -1:
        self.reserve(len(text))
        self.put(PyBytes_AS_STRING(text), len(text))
        return 0

    cdef int put_json(self, object text) except -1:
        """Append a text that is JSON."""
        cdef Py_ssize_t length
        start = PyUnicode_AsUTF8AndSize(text, &length)
        self.reserve(length)
        self.put(start, length)
        return 0

    cdef int put_string(self, object text) except -1:
        """Append a text in quotes."""
        if type(text) is not str or not PyUnicode_IS_COMPACT_ASCII(text):
            return self.put_written(text)
        given, length = <const char *>PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text)
        if has_to_escape(given, length):
            return self.put_written(text)
        self.reserve(length + 2)
        self.put(b'"', 1)
        self.put(given, length)
        self.put(b'"', 1)
        return 0

    cdef int put_moment(self, object moment) except -1:
        cdef int fraction
        if datetime_tzinfo(moment) is not ZONE:
            return self.put_written(moment)
        self.reserve(MOMENT_BYTES)
        self.put(b'"', 1)
        self.put_padded(datetime_year(moment), 4)
        self.put(b"-", 1)
        self.put_padded(datetime_month(moment), 2)
        self.put(b"-", 1)
        self.put_padded(datetime_day(moment), 2)
        self.put(b"T", 1)
        self.put_padded(datetime_hour(moment), 2)
        self.put(b":", 1)
        self.put_padded(datetime_minute(moment), 2)
        self.put(b":", 1)
        self.put_padded(datetime_second(moment), 2)
        fraction = datetime_microsecond(moment)
        if fraction:
            self.put(b".", 1)
            self.put_padded(fraction, 6)
        self.put(b'+00:00"', 7)
        return 0

    cdef inline void put_padded(self, int number, Py_ssize_t digits) noexcept:
        cdef Py_ssize_t place
        for place in range(digits - 1, -1, -1):
            self.start[self.length + place] = ZERO + <char>(number % 10)
            number //= 10
        self.length += digits

    cdef object bytes_written(self):
        return PyBytes_FromStringAndSize(self.start, self.length)

    cdef object text(self):
        if not self.is_ascii:
            return PyUnicode_DecodeUTF8(self.start, self.length, "strict")
        text = PyUnicode_New(self.length, MOST_ASCII)  # without a look at each character
        memcpy(PyUnicode_DATA(text), self.start, self.length)
        return text


cdef Text TEXT = Text()


def features_json(features):
    """Features as JSON text, as orjson writes a dict of them."""
    cdef Py_ssize_t index
    if type(features) is not FeatureValues or not (<FeatureValues>features).given:
        return DUMPS(features if type(features) is dict else dict(features)).decode()
    given, prefixes = (<FeatureValues>features).given, (<FeatureValues>features).names.prefixes
    TEXT.length, TEXT.is_ascii = 0, (<FeatureValues>features).names.is_ascii
    for index in range(len(given)):
        prefix = <bytes>PyList_GET_ITEM(prefixes, index)
        TEXT.reserve(len(prefix) + NUMBER_BYTES)
        TEXT.put(PyBytes_AS_STRING(prefix), len(prefix))
        TEXT.put_value(<object>PyList_GET_ITEM(given, index))
    TEXT.reserve(1)
    TEXT.put(b"}", 1)
    return TEXT.text()


cdef class DecisionWriter:
    """Writes the values of published decisions.

    `fields` are those of a row. `shared_members` gives, for the fields from the version to the partition, what follows
    `"seen":` before and after the order's own offset; most rows have the fields of the row before.
    """

    cdef Py_ssize_t count, order_id, user_id, status, outcome, risk_score, hits, features, version, seen, offset
    cdef object shared_members
    cdef tuple latest
    cdef bytes before, after

    def __init__(self, fields, shared_members):
        self.order_id, self.user_id = fields.index("order_id"), fields.index("user_id")
        self.status, self.outcome = fields.index("status"), fields.index("outcome")
        self.risk_score, self.hits = fields.index("risk_score"), fields.index("hits")
        self.features, self.version = fields.index("features"), fields.index("ruleset_version")
        self.seen, self.offset = fields.index("seen"), fields.index("source_offset")
        self.count, self.shared_members = len(fields), shared_members

    def write(self, row):
        """The value for a row, a tuple of as many values as there are fields."""
        if not isinstance(row, tuple) or len(row) != self.count:
            raise TypeError(f"a tuple of {self.count} values was expected, not {row!r}")
        columns = PyTuple_GetSlice(row, self.version, self.offset)
        if columns != self.latest:
            before, after = self.shared_members(columns)
            self.before, self.after, self.latest = before.encode(), after.encode(), columns
        TEXT.length = 0
        TEXT.put_name(b'{"order_id":')
        TEXT.put_string(<object>PyTuple_GET_ITEM(row, self.order_id))
        TEXT.put_name(b',"user_id":')
        TEXT.put_string(<object>PyTuple_GET_ITEM(row, self.user_id))
        TEXT.put_name(b',"status":"')
        TEXT.put_json(<object>PyTuple_GET_ITEM(row, self.status))
        TEXT.put_name(b'","outcome":"')
        TEXT.put_json(<object>PyTuple_GET_ITEM(row, self.outcome))
        TEXT.put_name(b'","risk_score":')
        TEXT.put_value(<object>PyTuple_GET_ITEM(row, self.risk_score))
        TEXT.put_name(b',"hits":')
        TEXT.put_json(<object>PyTuple_GET_ITEM(row, self.hits))
        TEXT.put_name(b',"features":')
        TEXT.put_json(<object>PyTuple_GET_ITEM(row, self.features))
        TEXT.put_name(b',"seen":')
        TEXT.put_bytes(self.before)
        TEXT.reserve(NUMBER_BYTES)
        if <object>PyTuple_GET_ITEM(row, self.seen) is not None:
            TEXT.put_value(<object>PyTuple_GET_ITEM(row, self.offset))
        TEXT.put_bytes(self.after)
        TEXT.reserve(NUMBER_BYTES + 1)
        TEXT.put_value(<object>PyTuple_GET_ITEM(row, self.offset))
        TEXT.put(b"}", 1)
        return TEXT.bytes_written()


cdef class ValueWriter:
    """Writes the first `count` values of rows, each as a JSON array."""

    cdef Py_ssize_t count

    def __init__(self, Py_ssize_t count):
        self.count = count

    def write(self, row):
        """The array for a row."""
        cdef Py_ssize_t index
        if not isinstance(row, tuple) or len(row) < self.count:
            raise TypeError(f"a tuple of at least {self.count} values was expected, not {row!r}")
        TEXT.length = 0
        TEXT.reserve(1)
        TEXT.put(b"[", 1)
        for index in range(self.count):
            TEXT.reserve(NUMBER_BYTES + 1)
            if index:
                TEXT.put(b",", 1)
            value = <object>PyTuple_GET_ITEM(row, index)
            if type(value) is str:
                TEXT.put_string(value)
            elif PyDateTime_CheckExact(value):
                TEXT.put_moment(value)
            else:
                TEXT.put_value(value)
        TEXT.reserve(1)
        TEXT.put(b"]", 1)
        return TEXT.bytes_written()
