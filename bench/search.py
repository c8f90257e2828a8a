"""How long SEARCH, SORT and THREAD take over what they read: `python -m bench.search`. Best of several, in microseconds."""

import base64
import quopri
import sys
import timeit
from collections.abc import Callable

from bench.parse import SIZE, mixed, plain
from posthouse.message.envelope import addresses_in, addresses_text, split_envelope
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.sort import address_key, in_order, sent_date, subject_key
from posthouse.message.structure import scan
from posthouse.message.text.casemap import fold
from posthouse.message.thread import Threaded, ordered_subject

REPEATS = 15
RUNS = 300
MANY = 10_000  # messages of a mailbox

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "8bit": bytes,
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
}

_HEADER = plain().partition(b"Content-Type")[0]
_ENGLISH = "“The quick brown fox” jumps over the lazy dog, again and again and again.\r\n"
_GERMAN = "Grüße aus München, wo die Straßen voll und alle Leute draußen sind.\r\n"
_RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю.\r\n"


def encoded(text: str, encoding: str) -> bytes:
    """A message of SIZE octets, of this text over and over in UTF-8."""
    encode = ENCODERS[encoding]
    line = text.encode()
    room = SIZE - len(_HEADER) - 100
    body = encode(line * (room * len(line) // len(encode(line * 100)) * 100 // len(line)))
    fields = f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return _HEADER + fields.encode() + body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def text_searches() -> dict[str, Callable[[], object]]:
    messages = {
        "ASCII": plain(),
        "ASCII with a subject in encoded words": plain().replace(
            b"Hello there", b"=?utf-8?q?Gr=C3=BC=C3=9Fe?="
        ),
        "five parts, one no text": mixed(),
    }
    for name, text in (("English", _ENGLISH), ("German", _GERMAN), ("Russian", _RUSSIAN)):
        for encoding in ("8bit", "quoted-printable", "base64"):
            messages[f"{name} in {encoding}"] = encoded(text, encoding)
    tables = {name: scan(message).parts for name, message in messages.items()}
    needle = Needle("xylophone")

    def search(name: str) -> Callable[[], object]:
        return lambda: SearchedMessage(messages[name], tables[name]).text_has(needle)

    return {f"TEXT, {name}, {len(message)} octets": search(name) for name, message in messages.items()}


def others() -> dict[str, Callable[[], object]]:
    envelope = scan(plain()).envelope
    fields = split_envelope(envelope)
    needle, subject = Needle("xylophone"), b"Re: [list] Fwd: Hello there, this is the subject (fwd)"
    russian = (_RUSSIAN * 5).encode().hex()
    return {
        "ENVELOPE: cannot have the text": lambda: needle.may_be_in(envelope),
        "ENVELOPE: split": lambda: split_envelope(envelope),
        "ENVELOPE: From as text": lambda: addresses_text(addresses_in(fields.author)),
        "key of FROM": lambda: address_key(fields.author),
        "key of SUBJECT": lambda: subject_key(subject),
        "key of DATE": lambda: sent_date(b"Mon, 02 Jan 2006 15:04:05 +0000", 0),
        f"fold {len(russian)} letters": lambda: fold(russian),
    }


def of_a_mailbox() -> dict[str, Callable[[], object]]:
    subjects = [subject_key(b"Re: subject %d" % (n * 7 % 2500)) for n in range(MANY)]
    dates = [n * 7919 % 100_003 for n in range(MANY)]
    rows = [Threaded(*row) for row in zip(subjects, dates, range(1, MANY + 1), strict=True)]
    return {
        f"SORT (SUBJECT REVERSE DATE) of {MANY}": lambda: in_order(MANY, [(subjects, False), (dates, True)]),
        f"THREAD ORDEREDSUBJECT of {MANY}": lambda: ordered_subject(rows),
    }


def measure(rows: dict[str, Callable[[], object]], runs: int) -> None:
    for name, run in rows.items():
        best = min(timeit.repeat(run, number=runs, repeat=REPEATS)) / runs
        sys.stdout.write(f"{name:<60} {best * 1e6:8.1f}\n")


def main() -> None:
    measure(text_searches() | others(), RUNS)
    measure(of_a_mailbox(), 1)


if __name__ == "__main__":
    main()
