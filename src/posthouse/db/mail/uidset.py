"""Sets of UIDs (or ids of emails) as the journal has them: `5,9:120`, ascending."""

from collections.abc import Iterator, Sequence


def ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The runs of ascending numbers, each as (first, last)."""
    if not numbers:
        return
    first, last = numbers[0], numbers[-1]
    if last - first + 1 == len(numbers):  # the whole mailbox, mostly
        yield first, last
        return
    last = first
    for number in numbers:
        if number > last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def to_bytes(numbers: Sequence[int]) -> bytes:
    """Ascending numbers as a set."""
    if len(numbers) == 1:
        return b"%d" % numbers[0]
    return b",".join(
        b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in ranges(numbers)
    )


def parse(numbers: bytes) -> Iterator[range]:
    """The runs of a set that `to_bytes` made."""
    for part in numbers.split(b",") if numbers else ():
        first, _, last = part.partition(b":")
        yield range(int(first), int(last or first) + 1)
