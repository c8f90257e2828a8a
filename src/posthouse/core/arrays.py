"""Arrays of numbers that are handed around and never changed."""

from array import array
from collections.abc import Sequence
from typing import Final

_CODES: Final = tuple((8 * array(code).itemsize, code) for code in "BHIQ")


def narrowest(bits: int) -> str:
    """The type code of the array that holds numbers of so many bits in the least memory."""
    return next(code for width, code in _CODES if width >= bits)


def without(numbers: "array[int]", places: Sequence[int]) -> "array[int]":
    """The array without what stands at these places, which ascend."""
    kept = array(numbers.typecode)
    start = 0
    for at in places:
        kept += numbers[start:at]
        start = at + 1
    return kept + numbers[start:]
