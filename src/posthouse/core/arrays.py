"""Arrays of numbers that are handed around and never changed."""

from array import array
from collections.abc import Sequence


def without(numbers: "array[int]", places: Sequence[int]) -> "array[int]":
    """The array without what stands at these places, which ascend."""
    kept = array(numbers.typecode)
    start = 0
    for at in places:
        kept += numbers[start:at]
        start = at + 1
    return kept + numbers[start:]
