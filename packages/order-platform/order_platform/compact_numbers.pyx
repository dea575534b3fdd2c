# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Sets of 64-bit numbers, each in one piece of memory, 12 to 32 bytes a number.

Open addressing with linear probing; zero marks a free place. Numbers should be spread, as hashes are: their low bits say
where they belong.
"""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t

cdef size_t SMALLEST = 1024


cdef class NumberSet:
    """What a `set[int]` does of this, for signed numbers of 64 bits."""

    cdef int64_t *_places
    cdef size_t _mask, _used
    cdef bint _has_zero

    def __cinit__(self):
        self._places = allocate(SMALLEST)
        self._mask = SMALLEST - 1

    def __dealloc__(self):
        PyMem_Free(self._places)

    def __len__(self):
        return self._used + self._has_zero

    def __contains__(self, int64_t number):
        return self.has(number)

    cdef inline bint has(self, int64_t number) noexcept:
        if number == 0:
            return self._has_zero
        return self._places[self._place_of(number)] == number

    cpdef int add(self, int64_t number) except -1:
        """Add a number; MemoryError, and nothing changed, when there is no room for more."""
        cdef size_t place
        if number == 0:
            self._has_zero = True
            return 0
        place = self._place_of(number)
        if self._places[place] == number:
            return 0
        if self._used * 3 >= self._mask * 2:
            self._grow()
            place = self._place_of(number)
        self._places[place] = number
        self._used += 1
        return 0

    def discard(self, int64_t number):
        """Remove a number if it is there."""
        cdef size_t free, place, home
        if number == 0:
            self._has_zero = False
            return
        free = self._place_of(number)
        if self._places[free] != number:
            return
        self._used -= 1
        # What was put further on because this place was taken moves up, so that no search ends too early.
        place = free
        while True:
            place = (place + 1) & self._mask
            if self._places[place] == 0:
                break
            home = <size_t>self._places[place] & self._mask
            if ((place - home) & self._mask) >= ((place - free) & self._mask):
                self._places[free] = self._places[place]
                free = place
        self._places[free] = 0

    cdef size_t _place_of(self, int64_t number) noexcept:
        """Where a number is, or the free place where it belongs."""
        cdef size_t place = <size_t>number & self._mask
        while self._places[place] != 0 and self._places[place] != number:
            place = (place + 1) & self._mask
        return place

    cdef _grow(self):
        cdef int64_t *before = self._places
        cdef size_t each, size = self._mask + 1
        self._places = allocate(size * 2)
        self._mask = size * 2 - 1
        for each in range(size):
            if before[each] != 0:
                self._places[self._place_of(before[each])] = before[each]
        PyMem_Free(before)


cdef class LatestNumbers:
    """What `PlainLatestNumbers` does."""

    cdef NumberSet _latest, _earlier
    cdef Py_ssize_t _half

    def __init__(self, Py_ssize_t most):
        self._half = most // 2
        self._latest, self._earlier = NumberSet(), NumberSet()

    cpdef int add(self, int64_t number) except -1:
        """Make a number one of the latest."""
        if len(self._latest) >= self._half:
            self._earlier, self._latest = self._latest, NumberSet()
        return self._latest.add(number)

    def add_new(self, int64_t number):
        """Add a number unless it is there; whether it was not."""
        if self._latest.has(number) or self._earlier.has(number):
            return False
        self.add(number)
        return True

    def discard(self, int64_t number):
        """Remove a number if it is there."""
        self._latest.discard(number)
        self._earlier.discard(number)


cdef int64_t *allocate(size_t places) except NULL:
    cdef int64_t *allocated = <int64_t *>PyMem_Calloc(places, sizeof(int64_t))
    if allocated == NULL:
        raise MemoryError
    return allocated
