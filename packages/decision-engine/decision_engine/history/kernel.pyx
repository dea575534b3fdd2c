# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, infer_types=True
"""What `compiler` generates as Python source, compiled: the same values from the same histories.

An order reads and extends a dozen histories of a few entries each. In Python two thirds of that time are the
interpreter's, and while it reads one history the memory of the next is not on its way. Here all histories of an order
are looked up first, then their entries are requested from memory, and only then read.

What is rare is left to Python: histories in chunks or of several currencies, and values that do not fit into 64 bits.
"""

from cpython.array cimport array, clone, resize, resize_smart
from cpython.datetime cimport (
    PyDateTime_Check,
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
from cpython.dict cimport PyDict_SetItem
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memmove, memset

from datetime import UTC

import xxhash

from decision_engine.history.columns import ColumnKind
from decision_engine.history.compiler import SeriesFunctions, share_parts
from decision_engine.history.declaration import ATTRIBUTE, OPTIONAL_FIELDS, SECOND, WITHOUT_ORDERS, Aggregate
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.reader import LargeReader, deviation
from decision_engine.history.series import NO_HORIZON, POSITIONS, SQUARE_BITS, Part, microseconds
from order_contract.compiled_json import FeatureNames
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

import_datetime()

cdef extern from *:
    """
    #define PREFETCH(address) __builtin_prefetch(address)
    #define ADD_OVERFLOWS(a, b, sum) __builtin_add_overflow(a, b, sum)
    #define MULTIPLY_OVERFLOWS(a, b, product) __builtin_mul_overflow(a, b, product)

    /* The bits of value * value below `bits`, and the others; returns whether those do not fit. */
    static inline int square(int64_t value, int bits, int64_t *low, int64_t *high) {
        unsigned __int128 squared = (unsigned __int128)((__int128)value * value);
        *low = (int64_t)(squared & (((unsigned __int128)1 << bits) - 1));
        *high = (int64_t)(squared >> bits);
        return squared >> bits > INT64_MAX;
    }
    """
    void PREFETCH(const void *address) noexcept nogil
    bint ADD_OVERFLOWS(int64_t a, int64_t b, int64_t *sum) noexcept nogil
    bint MULTIPLY_OVERFLOWS(int64_t a, int64_t b, int64_t *product) noexcept nogil
    bint square(int64_t value, int bits, int64_t *low, int64_t *high) noexcept nogil

cdef extern from "Python.h":
    PyObject *PyDict_GetItemWithError(object dictionary, object key) except? NULL
    void PyObject_GC_UnTrack(object collected) noexcept
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef enum:
    FIELDS = 32  # more than an event has
    MOST_COLUMNS = 3 * FIELDS  # a field has totals, values or identities
    COMPARED = 12  # so many identities are compared with each other, more are counted in a table
    MOST_IN_TABLE = 512
    MOST_BLANKS = 1_000  # orders mostly lack the same few combinations of fields
    EXACT_LENGTH = 64  # a history of up to so many entries takes no more than it needs, as most do; others grow ahead

cdef enum Operation:
    COUNT, SUM, AVERAGE, RATIO_TO_AVERAGE, DEVIATION, MINIMUM, MAXIMUM, DISTINCT, SECONDS_SINCE_FIRST, SECONDS_SINCE_LAST

cdef enum Content:
    VALUE, IDENTITY, SQUARE_LOW, SQUARE_HIGH

_OPERATIONS = {
    Aggregate.COUNT: COUNT,
    Aggregate.LABEL_COUNT: COUNT,
    Aggregate.SUM: SUM,
    Aggregate.AVERAGE: AVERAGE,
    Aggregate.RATIO_TO_AVERAGE: RATIO_TO_AVERAGE,
    Aggregate.DEVIATION: DEVIATION,
    Aggregate.MINIMUM: MINIMUM,
    Aggregate.MAXIMUM: MAXIMUM,
    Aggregate.DISTINCT: DISTINCT,
    Aggregate.LABEL_DISTINCT: DISTINCT,
    Aggregate.SECONDS_SINCE_FIRST: SECONDS_SINCE_FIRST,
    Aggregate.SECONDS_SINCE_LAST: SECONDS_SINCE_LAST,
}
_CONTENTS = {Part.VALUE: VALUE, Part.SQUARE_LOW: SQUARE_LOW, Part.SQUARE_HIGH: SQUARE_HIGH}

cdef array EMPTY = array("q")
cdef object ARRAY = array
cdef object LARGE_HISTORY = LargeHistory
cdef object HASH = xxhash.xxh3_64_intdigest
cdef object ZONE = UTC
cdef object CURRENCY = DEFAULT_CURRENCY
cdef Py_ssize_t AT_CREATED = POSITIONS["created_date"]
cdef Py_ssize_t AT_CURRENCY = POSITIONS["currency"]
cdef Py_ssize_t AT_ATTRIBUTES = POSITIONS["attributes"]
cdef Py_ssize_t EVENT_LENGTH = len(OrderEvent._fields)
cdef object NO_KEY = 0
cdef object ONE = 1
cdef int LOW_BITS = SQUARE_BITS
cdef double MICROSECONDS = SECOND
cdef int64_t MOST_EXACT = 1LL << 53
"""Up to here a double holds every integer, so that a division of two is rounded once, as Python's is."""


cdef struct Column:
    Content content
    bint is_total
    Py_ssize_t field
    Py_ssize_t totals_before


cdef struct Feature:
    Operation operation
    Py_ssize_t window
    Py_ssize_t column  # of the history: 0 holds the times
    Py_ssize_t low  # the columns of the squares
    Py_ssize_t high
    Py_ssize_t place  # of its value among those of all features
    Py_ssize_t part  # its place among the parts of shares, -1 when it is a feature of its own
    bint is_money


cdef struct Order:
    int64_t time  # microseconds since 1970
    bint is_own_currency
    int64_t identities[FIELDS]
    bint is_identified[FIELDS]


cdef class Key:
    """The fields of a key: positions, and for an attribute its name."""

    cdef Py_ssize_t first, second
    cdef object first_attribute, second_attribute
    cdef bint is_pair

    def __init__(self, fields):
        positions = [AT_ATTRIBUTES if name.startswith(ATTRIBUTE) else POSITIONS[name] for name in fields]
        attributes = [name.removeprefix(ATTRIBUTE) if name.startswith(ATTRIBUTE) else None for name in fields]
        self.is_pair = len(fields) > 1
        self.first, self.first_attribute = positions[0], attributes[0]
        self.second, self.second_attribute = positions[len(fields) - 1], attributes[len(fields) - 1]

    cdef object of(self, object event):
        """The key of an order; None when it lacks a field."""
        first = key_field(event, self.first, self.first_attribute)
        if not self.is_pair or first is None:
            return first
        second = key_field(event, self.second, self.second_attribute)
        return None if second is None else (first, second)


cdef inline object key_field(object event, Py_ssize_t position, object attribute):
    value = <object>PyTuple_GET_ITEM(event, position)
    if attribute is None or value is None:
        return value
    value = (<dict?>value).get(attribute)
    return value if type(value) is str or type(value) is int else None


cdef class SeriesReader:
    """A series, compiled: reads its features from a history, and adds orders to it."""

    cdef dict histories
    cdef Py_ssize_t key
    cdef Py_ssize_t width  # columns after the times
    cdef Py_ssize_t totals  # those of them with running totals
    cdef Py_ssize_t most  # orders of a short history
    cdef Column columns[MOST_COLUMNS]
    cdef Feature *features
    cdef Py_ssize_t feature_count
    cdef tuple without_orders
    cdef bint adds  # labels come later than their orders
    cdef bint has_money
    cdef Py_ssize_t required
    cdef object condition
    cdef object read_large
    cdef object add_slowly

    def __init__(self, series, keys, windows, places, parts):
        if len(series.columns) > MOST_COLUMNS:
            raise ValueError(f"{len(series.columns)} columns")
        self.histories = series.histories
        self.key = keys.index(series.key)
        self.width = len(series.columns)
        self.most = series.chunk - 1
        self.adds = series.label is None
        self.has_money = series.has_money
        self.required = -1 if series.required is None else POSITIONS[series.required]
        self.condition = series.condition
        self.read_large = LargeReader(series).read
        self.add_slowly = series.add
        self.totals = 0
        cdef Column *column
        cdef Feature *feature
        cdef Py_ssize_t index
        for index, source in enumerate(series.columns):
            column = &self.columns[index]
            column.is_total = source.kind is ColumnKind.TOTALS
            column.content = IDENTITY if source.kind is ColumnKind.IDS else _CONTENTS[source.part]
            column.field = POSITIONS[source.field]
            column.totals_before = self.totals
            self.totals += column.is_total
        self.without_orders = tuple(WITHOUT_ORDERS.get(feature.aggregate) for feature in series.features)
        self.feature_count = len(series.features)
        self.features = <Feature *>PyMem_Calloc(self.feature_count, sizeof(Feature))
        if self.features is NULL:
            raise MemoryError
        for index, declared in enumerate(series.features):
            feature = &self.features[index]
            feature.operation = _OPERATIONS[declared.aggregate]
            feature.window = windows.index(declared.window)
            feature.is_money = declared.is_money
            feature.part = parts.index(declared) if declared in parts else -1
            feature.place = places.get(declared.name, -1)
            if declared.aggregate not in (
                Aggregate.COUNT, Aggregate.LABEL_COUNT, Aggregate.SECONDS_SINCE_FIRST, Aggregate.SECONDS_SINCE_LAST
            ):
                feature.column = series.column(declared)
            if declared.aggregate is Aggregate.DEVIATION:
                feature.low = series.column(declared, Part.SQUARE_LOW)
                feature.high = series.column(declared, Part.SQUARE_HIGH)

    def __dealloc__(self):
        PyMem_Free(self.features)

    cdef inline Py_ssize_t count(self, array history) noexcept:
        """The number of orders in a short history."""
        return (len(history) - self.totals) // (self.width + 1)

    cdef inline Py_ssize_t start(self, Py_ssize_t column, Py_ssize_t count) noexcept:
        """Where a column begins in a short history of so many orders."""
        return column * count + (self.columns[column - 1].totals_before if column else 0)

    cdef inline void give(self, Py_ssize_t index, object value, list values, list parts) noexcept:
        """A feature has this value."""
        part = self.features[index].part
        if part >= 0:
            parts[part] = value
        else:
            values[self.features[index].place] = value

    cdef int read_others(self, object history, Order *order, object event, int64_t horizon, list values, list parts) except -1:
        """The values from a history that is not short."""
        for index, value in enumerate(self.read_large(history, order.time, event, horizon)):
            self.give(index, value, values, parts)
        return 0

    cdef int read(self, array history, Order *order, object event, int64_t *since, list values, list parts) except -1:
        """The values from a short history, over the orders after `since` of each window."""
        entries = <int64_t *>history.data.as_longlongs
        count = self.count(history)
        end = end_of(entries, count, order.time)
        start = end
        window = -1
        for index in range(self.feature_count):
            feature = &self.features[index]
            if feature.window != window:
                window = feature.window
                # Of most keys, the window has all orders.
                start = 0 if entries[0] > since[window] else end_of(entries, start, since[window])
            if feature.is_money and not order.is_own_currency:
                value = self.without_orders[index]
            else:
                value = self.aggregate(feature, entries, count, start, end, order, event)
            self.give(index, value, values, parts)
        return 0

    cdef object aggregate(
        self, Feature *feature, int64_t *entries, Py_ssize_t count, Py_ssize_t start, Py_ssize_t end,
        Order *order, object event,
    ):
        """The value of a feature over the orders from `start` to before `end`."""
        orders = end - start
        operation = feature.operation
        if operation == COUNT:
            return orders
        column = entries + self.start(feature.column, count)
        if operation == DISTINCT:
            return distinct(column + start, orders) if orders > 1 else orders
        if operation == SUM:
            return column[end] - column[start]
        if not orders:
            return None
        if operation == AVERAGE:
            return quotient(column[end] - column[start], orders)
        if operation == RATIO_TO_AVERAGE:
            return ratio_to_average(<object>PyTuple_GET_ITEM(event, self.columns[feature.column - 1].field), orders, column[end] - column[start])
        if operation == MINIMUM:
            return least(column, start, end)
        if operation == MAXIMUM:
            return greatest(column, start, end)
        if operation == SECONDS_SINCE_FIRST:
            return <double>(order.time - entries[start]) / MICROSECONDS
        if operation == SECONDS_SINCE_LAST:
            return <double>(order.time - entries[end - 1]) / MICROSECONDS
        if orders == 1:  # a deviation takes two
            return None
        low, high = entries + self.start(feature.low, count), entries + self.start(feature.high, count)
        squares = (<object>(high[end] - high[start]) << LOW_BITS) + (low[end] - low[start])
        return deviation(orders, column[end] - column[start], squares)

    cdef int add(self, object key, PyObject *found, Order *order, object event) except -1:
        """Add an order to the history of its key."""
        cdef int64_t values[MOST_COLUMNS]
        if key is None or not self.adds:
            return 0
        if self.required >= 0 and <object>PyTuple_GET_ITEM(event, self.required) is None:
            return 0
        if self.condition is not None and not self.condition(event):
            return 0
        if (self.has_money and not order.is_own_currency) or not self.read_values(values, order, event):
            self.add_slowly(event, order.time)
        elif found is NULL:
            self.begin(key, values, order.time)
        elif type(<object>found) is ARRAY:
            if not self.extend(<array>found, values, order.time):
                self.add_slowly(event, order.time)
        elif type(<object>found) is LARGE_HISTORY:
            (<object>found).add(order.time, [values[index] for index in range(self.width)])
        else:
            self.add_slowly(event, order.time)
        return 0

    cdef bint read_values(self, int64_t *values, Order *order, object event) except -1:
        """Read the order's values in the columns; False when one does not fit into 64 bits."""
        cdef int overflow = 0
        cdef int64_t value, low, high
        for index in range(self.width):
            column = &self.columns[index]
            if column.content == IDENTITY:
                values[index] = identity(order, event, column.field)
                continue
            value = PyLong_AsLongLongAndOverflow(<object>PyTuple_GET_ITEM(event, column.field), &overflow)
            if overflow:
                return False
            if column.content != VALUE:
                if square(value, LOW_BITS, &low, &high):
                    return False
                value = low if column.content == SQUARE_LOW else high
            values[index] = value
        return True

    cdef int begin(self, object key, int64_t *values, int64_t time) except -1:
        """Begin a history with one order."""
        history = clone(EMPTY, 1 + self.width + self.totals, False)
        entries = <int64_t *>history.data.as_longlongs
        entries[0] = time
        entries += 1
        for index in range(self.width):
            if self.columns[index].is_total:
                entries[0] = 0
                entries += 1
            entries[0] = values[index]
            entries += 1
        # Neither is ever part of a reference cycle: the garbage collector need not look through millions of them.
        PyObject_GC_UnTrack(history)
        if type(key) is tuple:
            PyObject_GC_UnTrack(key)
        return PyDict_SetItem(self.histories, key, history)

    cdef bint extend(self, array history, int64_t *values, int64_t time) except -1:
        """Insert an order at its time; False when the history gets too long or a total too large."""
        cdef int64_t total
        cdef Py_ssize_t index, entry
        count = self.count(history)
        if count >= self.most:
            return False
        entries = <int64_t *>history.data.as_longlongs
        for index in range(self.width):
            if self.columns[index].is_total:
                total = entries[self.start(index + 1, count) + count]
                if ADD_OVERFLOWS(total, values[index], &total):
                    return False
        end = end_of(entries, count, time)
        length = len(history) + self.width + 1
        if length <= EXACT_LENGTH:
            resize(history, length)
        else:
            resize_smart(history, length)
        entries = <int64_t *>history.data.as_longlongs
        # From the last column to the first: each moves behind the entries that those before it get.
        for index in range(self.width - 1, -1, -1):
            old = entries + self.start(index + 1, count)
            new = old + index + 1
            if self.columns[index].is_total:
                for entry in range(count, end - 1, -1):
                    new[entry + 1] = old[entry] + values[index]
                memmove(new, old, (end + 1) * sizeof(int64_t))
            else:
                memmove(new + end + 1, old + end, (count - end) * sizeof(int64_t))
                memmove(new, old, end * sizeof(int64_t))
                new[end] = values[index]
        memmove(entries + end + 1, entries + end, (count - end) * sizeof(int64_t))
        entries[end] = time
        return True


cdef class HistoryKernel:
    """All series of a state: the functions of SeriesFunctions."""

    cdef list keys
    cdef list series
    cdef Py_ssize_t series_count
    cdef Py_ssize_t window_count
    cdef list windows
    cdef list shares
    cdef Py_ssize_t part_count
    cdef Py_ssize_t feature_count
    cdef object give
    cdef list bits
    cdef dict blanks
    cdef int64_t *since
    cdef PyObject **found

    def __init__(self, all_series, shares):
        keys = list(dict.fromkeys(each.key for each in all_series))
        parts = [part for share in shares for part in share_parts(share)]
        self.keys = [Key(fields) for fields in keys]
        self.windows = sorted({feature.window for each in all_series for feature in each.features})
        names = [feature.name for each in all_series for feature in each.features if feature not in parts]
        names += [share.name for share in shares]
        places = {name: place for place, name in enumerate(names)}
        self.series = [SeriesReader(each, keys, self.windows, places, parts) for each in all_series]
        self.shares = [places[share.name] for share in shares]
        self.feature_count = len(names)
        self.give = FeatureNames(names).give
        # As Python's integers: there may be more keys than C's integers have bits.
        self.bits = [ONE << index for index in range(len(keys))]
        self.blanks = {}
        self.series_count, self.window_count, self.part_count = len(self.series), len(self.windows), len(parts)
        self.since = <int64_t *>PyMem_Calloc(self.window_count + 1, sizeof(int64_t))
        self.found = <PyObject **>PyMem_Calloc(self.series_count + 1, sizeof(PyObject *))
        if self.since is NULL or self.found is NULL:
            raise MemoryError

    def __dealloc__(self):
        PyMem_Free(self.since)
        PyMem_Free(self.found)

    def read(self, event, int64_t horizon=NO_HORIZON):
        """The values of all features."""
        return self.visit(event, horizon, True, False)

    def add(self, event):
        """Add an order to all series."""
        self.visit(event, 0, False, True)

    def read_and_add(self, event, int64_t horizon=NO_HORIZON):
        """The values of all features, then the order is added."""
        return self.visit(event, horizon, True, True)

    cdef object visit(self, object event, int64_t horizon, bint reads, bint adds):
        cdef Order order
        cdef SeriesReader series
        cdef Key fields
        cdef list values = None, parts = None
        if not isinstance(event, tuple) or len(<tuple>event) != EVENT_LENGTH:
            raise TypeError(f"an order event was expected, not {event!r}")
        order.time = time_of(<object>PyTuple_GET_ITEM(event, AT_CREATED))
        order.is_own_currency = <object>PyTuple_GET_ITEM(event, AT_CURRENCY) == CURRENCY
        memset(order.is_identified, 0, sizeof(order.is_identified))
        keys = [fields.of(event) for fields in self.keys]
        for index in range(self.series_count):
            series = <SeriesReader>self.series[index]
            self.found[index] = NULL
            if not series.histories or not (reads or series.adds):  # few or no labels
                continue
            # No history has the key None, of an order that lacks a field.
            self.found[index] = PyDict_GetItemWithError(series.histories, keys[series.key])
            PREFETCH(self.found[index])
        for index in range(self.series_count):
            if self.found[index] is not NULL and type(<object>self.found[index]) is ARRAY:
                PREFETCH((<array>self.found[index]).data.as_longlongs)
        if reads:
            values = self.blank(keys)[:]
            parts = [0] * self.part_count
            for index in range(self.window_count):
                self.since[index] = max(order.time - <int64_t>self.windows[index], horizon)
        for index in range(self.series_count):
            series = <SeriesReader>self.series[index]
            key = keys[series.key]
            found = self.found[index]
            if reads and found is not NULL:
                if type(<object>found) is ARRAY:
                    series.read(<array>found, &order, event, self.since, values, parts)
                else:
                    series.read_others(<object>found, &order, event, horizon, values, parts)
            if adds:
                series.add(key, found, &order, event)
        if not reads:
            return None
        for index in range(self.part_count // 2):
            labelled, orders = parts[2 * index], parts[2 * index + 1]
            if orders:
                values[<Py_ssize_t>self.shares[index]] = labelled / orders
        return self.give(values)

    cdef list blank(self, list keys):
        """The values for an order whose keys have no histories: the same for all orders that lack the same keys."""
        cdef SeriesReader series
        lacking = NO_KEY
        for index in range(len(keys)):
            if keys[index] is None:
                lacking |= self.bits[index]
        blank = self.blanks.get(lacking)
        if blank is None:
            blank = [None] * self.feature_count
            for series in self.series:
                for index in range(series.feature_count):
                    if series.features[index].part < 0 and keys[series.key] is not None:
                        blank[series.features[index].place] = series.without_orders[index]
            if len(self.blanks) >= MOST_BLANKS:
                self.blanks.clear()
            self.blanks[lacking] = blank
        return blank


cdef inline Py_ssize_t end_of(const int64_t *times, Py_ssize_t count, int64_t time) noexcept:
    """How many of the times, which are sorted, are not after a time."""
    if count and times[count - 1] <= time:
        return count
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) >> 1
        if times[middle] <= time:
            low = middle + 1
        else:
            high = middle
    return low


cdef int64_t time_of(object moment) except? -1:
    """Microseconds since 1970."""
    if not is_utc(moment):
        return microseconds(moment)
    # The days of the Gregorian calendar, of years that begin in March.
    cdef int64_t month = datetime_month(moment)
    cdef int64_t year = datetime_year(moment) - (month <= 2)
    cdef int64_t day = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + datetime_day(moment) - 1
    cdef int64_t days = 365 * year + year // 4 - year // 100 + year // 400 + day - 719468
    cdef int64_t seconds = 86400 * days + 3600 * datetime_hour(moment) + 60 * datetime_minute(moment) + datetime_second(moment)
    return 1000000 * seconds + datetime_microsecond(moment)


cdef int64_t identity(Order *order, object event, Py_ssize_t field) except? -1:
    """The identity of a field's text, as `series.identity` gives it."""
    if not order.is_identified[field]:
        text = <str?><object>PyTuple_GET_ITEM(event, field)
        order.identities[field] = <int64_t>(<uint64_t>HASH(text.encode()) - (<uint64_t>1 << 63))
        order.is_identified[field] = True
    return order.identities[field]


cdef object quotient(int64_t total, int64_t count):
    if total <= MOST_EXACT:
        return <double>total / <double>count
    return <object>total / <object>count


cdef object ratio_to_average(object own, int64_t count, int64_t total):
    cdef int overflow = 0
    cdef int64_t product
    if not total:
        return None
    value = PyLong_AsLongLongAndOverflow(own, &overflow)
    if overflow or MULTIPLY_OVERFLOWS(value, count, &product) or product > MOST_EXACT or total > MOST_EXACT:
        return own * count / <object>total
    return <double>product / <double>total


cdef int64_t least(const int64_t *values, Py_ssize_t start, Py_ssize_t end) noexcept:
    cdef int64_t found = values[start]
    for index in range(start + 1, end):
        found = min(found, values[index])
    return found


cdef int64_t greatest(const int64_t *values, Py_ssize_t start, Py_ssize_t end) noexcept:
    cdef int64_t found = values[start]
    for index in range(start + 1, end):
        found = max(found, values[index])
    return found


cdef object distinct(const int64_t *identities, Py_ssize_t count):
    """How many of the identities differ."""
    cdef int64_t table[2 * MOST_IN_TABLE]
    cdef char taken[2 * MOST_IN_TABLE]
    cdef Py_ssize_t found = 0, index, other, size, place
    if count > MOST_IN_TABLE:
        return len({identities[index] for index in range(count)})
    if count <= COMPARED:
        for index in range(count):
            for other in range(index):
                if identities[other] == identities[index]:
                    break
            else:
                found += 1
        return found
    size = 32
    while size < 2 * count:
        size *= 2
    memset(taken, 0, size)
    for index in range(count):
        # Identities are hashes already.
        place = identities[index] & (size - 1)
        while taken[place] and table[place] != identities[index]:
            place = (place + 1) & (size - 1)
        if not taken[place]:
            taken[place] = True
            table[place] = identities[index]
            found += 1
    return found


def compile_series(all_series, shares=()):
    """The functions that read the features of the series and these shares of labelled orders, and add orders."""
    kernel = HistoryKernel(all_series, shares)
    return SeriesFunctions(kernel.read, kernel.add, kernel.read_and_add)


def seconds_between(later, earlier):
    """The seconds from a time to a later one, as the difference of both gives them, without making it."""
    cdef int64_t difference
    if is_utc(later) and is_utc(earlier):
        difference = time_of(later) - time_of(earlier)
        if -MOST_EXACT <= difference <= MOST_EXACT:
            return <double>difference / MICROSECONDS
    return (later - earlier).total_seconds()


cdef inline bint is_utc(object moment) noexcept:
    return PyDateTime_Check(moment) and datetime_tzinfo(moment) is ZONE
