"""Commands one by one, on the real program and on Dovecot: what is answered otherwise stands here, with the reason."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from posthouse.testing.imap import BadResponse, ImapClient, Reply, parse
from posthouse.testing.imap_play import Login

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


@dataclass(frozen=True, slots=True)
class Step:
    """A session, `a` or `b`, and its command. why: the reason for a difference. ours, theirs: lines that only one server said."""

    command: str
    why: str = ""
    ours: Sequence[str] = ()
    theirs: Sequence[str] = ()


# fmt: off
CODES = "codes of RFC 5530, which we do not announce; the texts are the reference's"
PARENTS = "we make the missing parents of a new mailbox, as the reference does"
SUBSCRIBED = "with us a new mailbox is subscribed to, as with the reference"
LSUB = "our LSUB shows what LIST does; a name that outlived its mailbox is \\Noselect, and RENAME takes subscriptions along"
STATE = "what the state forbids is NO with us, as with the reference"
READ_ONLY = "we refuse to change what EXAMINE opened; Dovecot passes over it, or does it (MOVE)"
ABSENT = "a number that is not there is passed over with us, as with the reference"
CHARSET = "we have the two charsets of the reference, and say so"
KEYWORD = "Dovecot makes a keyword of what is searched for"
GONE = "a message that another has removed: we pass over it, Dovecot tells what it has; RFC 2180 §4 allows both"
UNTOLD = "a message that the client was not told of: we remove it, Dovecot tells of it first"
INBOX = "RFC 3501 §6.3.5 has messages move, and INBOX stay; Dovecot renames INBOX under its sessions, and ends them"

SCRIPT = [
    Step("a CREATE box"),
    Step("a CREATE box", CODES, ["NO"], ["NO [ALREADYEXISTS]"]),
    Step("a CREATE a.b.c"),
    Step("a CREATE y"),
    Step('a LIST "" *', PARENTS, ["LIST (\\HasChildren) . a", "LIST (\\HasChildren) . a.b"], ["LIST (\\HasChildren \\Noselect) . a", "LIST (\\HasChildren \\Noselect) . a.b"]),
    Step('a LIST "" %', PARENTS, ["LIST (\\HasChildren) . a"], ["LIST (\\HasChildren \\Noselect) . a"]),
    Step('a LIST "" ""', "the name of the root is the delimiter with us, as with the reference; RFC 3501 §6.3.8 leaves it open", ["LIST (\\Noselect) . ."], ["LIST (\\Noselect) . "]),
    Step("a NAMESPACE"),
    Step('a LSUB "" *', SUBSCRIBED, ["LSUB (\\HasChildren) . a", "LSUB (\\HasChildren) . a.b", "LSUB (\\HasNoChildren) . INBOX", "LSUB (\\HasNoChildren) . a.b.c", "LSUB (\\HasNoChildren) . box", "LSUB (\\HasNoChildren) . y"], []),
    Step("a SUBSCRIBE box"),
    Step("a SUBSCRIBE a.b.c"),
    Step("a SUBSCRIBE nowhere"),
    Step("a UNSUBSCRIBE nowhere"),
    Step("a UNSUBSCRIBE INBOX"),
    Step("a UNSUBSCRIBE y"),
    Step('a LSUB "" *', LSUB, ["LSUB (\\HasChildren) . a", "LSUB (\\HasChildren) . a.b", "LSUB (\\HasNoChildren) . a.b.c", "LSUB (\\HasNoChildren) . box"], ["LSUB () . a.b.c", "LSUB () . box"]),
    Step('a LSUB "" %', LSUB, ["LSUB (\\HasChildren) . a", "LSUB (\\HasNoChildren) . box"], ["LSUB () . box", "LSUB (\\Noselect) . a"]),
    Step("a DELETE box"),
    Step('a LSUB "" *', LSUB, ["LSUB (\\HasChildren) . a", "LSUB (\\HasChildren) . a.b", "LSUB (\\HasNoChildren \\Noselect) . box", "LSUB (\\HasNoChildren) . a.b.c"], ["LSUB () . a.b.c", "LSUB () . box"]),
    Step("a DELETE box", CODES, ["NO"], ["NO [NONEXISTENT]"]),
    Step("a DELETE INBOX", CODES, ["NO [CANNOT]"], ["NO"]),
    Step("a CREATE box"),
    Step("a DELETE a.b", PARENTS, ["OK"], ["NO"]),
    Step("a SELECT a.b"),
    Step("a RENAME a x"),
    Step('a LIST "" *', PARENTS, ["LIST (\\HasChildren) . x"], ["LIST (\\HasChildren \\Noselect) . x"]),
    Step('a LSUB "" *', LSUB, ["LSUB (\\HasChildren) . x", "LSUB (\\HasNoChildren \\Noselect) . a.b", "LSUB (\\HasNoChildren) . box", "LSUB (\\HasNoChildren) . x.b.c"], ["LSUB () . a.b.c", "LSUB () . box"]),
    Step("a RENAME nowhere z", CODES, ["NO"], ["NO [NONEXISTENT]"]),
    Step("a RENAME y box", CODES, ["NO"], ["NO [ALREADYEXISTS]"]),
    Step("a RENAME x x.y", CODES, ["NO [CANNOT]"], ["NO"]),
    Step("a SELECT nowhere"),
    Step("a FETCH 1 FLAGS", STATE, ["NO"], ["BAD"]),
    Step("a CLOSE", STATE, ["NO"], ["BAD"]),
    Step("a STATUS nowhere (MESSAGES)"),
    Step("a STATUS box (MESSAGES RECENT UIDNEXT UNSEEN)"),
    Step("a APPEND nowhere"),
    Step("a APPEND INBOX"),
    Step("a APPEND INBOX (\\Seen work)"),
    Step("a APPEND INBOX (\\Deleted)"),
    Step("a STATUS INBOX (MESSAGES UIDNEXT UNSEEN)"),
    Step("a SELECT INBOX"),
    Step("b EXAMINE INBOX"),
    Step("b STORE 1 +FLAGS (\\Seen)", READ_ONLY, ["NO"], ["OK"]),
    Step("b FETCH 1 BODY[TEXT]"),
    Step("b EXPUNGE", READ_ONLY, ["NO"], ["OK"]),
    Step("b COPY 1 box"),
    Step("b CLOSE"),
    Step("b SELECT INBOX"),
    Step("a FETCH 1:* (FLAGS UID RFC822.SIZE)"),
    Step("a FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)"),
    Step("a FETCH 1 BODY[HEADER.FIELDS (Subject)]"),
    Step("a FETCH 2 BODY.PEEK[]<0.5>"),
    Step("a FETCH 1 BODY.PEEK[2]", "a part that is not there: NIL and the empty text are both allowed", ["1 FETCH BODY[2] None"], ["1 FETCH BODY[2] "]),
    Step("a FETCH 9 FLAGS", ABSENT, ["OK"], ["BAD"]),
    Step("a UID FETCH 9 FLAGS"),
    Step("a FETCH 1:* ("),
    Step("a FETCH 0 FLAGS"),
    Step("a FETCH 1 NOTHING"),
    Step("a SEARCH UNSEEN"),
    Step("a SEARCH 9"),
    Step("a UID SEARCH 9"),
    Step("a SEARCH CHARSET KOI8-R ALL", CHARSET, ["NO [BADCHARSET (US-ASCII UTF-8)]"], ["OK", "SEARCH 1 2 3"]),
    Step("a SEARCH CHARSET X-NONE ALL", CHARSET, ["NO [BADCHARSET (US-ASCII UTF-8)]"], ["NO [BADCHARSET]"]),
    Step("a SEARCH SUBJECT hello"),
    Step("a SEARCH TEXT hi"),
    Step("a SEARCH KEYWORD none", KEYWORD, [], ["FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen none work)", "OK [PERMANENTFLAGS (\\* \\Answered \\Deleted \\Draft \\Flagged \\Seen none work)]"]),
    Step("a SEARCH NOTHING"),
    Step("a UID SEARCH 1:* UNDELETED"),
    Step("a SORT (SUBJECT) UTF-8 ALL"),
    Step("a THREAD ORDEREDSUBJECT UTF-8 ALL"),
    Step("a STORE 1 FLAGS (Work)"),
    Step("a STORE 1 +FLAGS (\\Recent)", "\\Recent is passed over with us, as with the reference", ["1 FETCH FLAGS (work)", "OK"], ["BAD"]),
    Step("a STORE 1 FLAGS \\Seen"),
    Step("a STORE 1 FLAGS \\Seen", "Dovecot tells only what became other; RFC 3501 §6.4.6 wants all", ["1 FETCH FLAGS (\\Seen)"], []),
    Step("a STORE 1 +FLAGS (\\Nothing)"),
    Step("a STORE 9 +FLAGS (\\Seen)", ABSENT, ["OK"], ["BAD"]),
    Step("a UID STORE 9 +FLAGS (\\Seen)"),
    Step("a COPY 1 nowhere"),
    Step("a MOVE 1 nowhere"),
    Step("a COPY 9 box", ABSENT, ["OK"], ["BAD"]),
    Step("a UID COPY 9 box"),
    Step("a UID MOVE 9 box"),
    Step("a COPY 1:2 box"),
    Step("a COPY 2,1 box"),
    Step("a COPY 1 INBOX"),
    Step("b NOOP", "we tell the UID with what others did", ["1 FETCH FLAGS (\\Seen) UID 1"], ["1 FETCH FLAGS (\\Seen)"]),
    Step("a MOVE 4 box"),
    Step("a EXPUNGE"),
    Step("b FETCH 3 (FLAGS BODY.PEEK[TEXT])", GONE, ["OK"], ["3 FETCH BODY[TEXT] None FLAGS (\\Deleted)", "OK [EXPUNGEISSUED]"]),
    Step("b STORE 3 +FLAGS (\\Seen)", GONE, [], ["3 FETCH FLAGS (\\Deleted \\Seen)"]),
    Step("b SEARCH ALL"),
    Step("b COPY 3 box", GONE, ["OK"], ["NO [EXPUNGEISSUED]"]),
    Step("b NOOP"),
    Step("a NOOP"),
    Step("a STATUS box (MESSAGES UIDNEXT UNSEEN)"),
    Step("a APPEND INBOX (\\Deleted)"),
    Step("b EXPUNGE", UNTOLD, [], ["3 EXISTS"]),
    Step("b EXPUNGE", UNTOLD, [], ["3 EXPUNGE"]),
    Step("a NOOP"),
    Step("a APPEND box (\\Deleted)"),
    Step("a SELECT box"),
    Step("a CLOSE"),
    Step("a STATUS box (MESSAGES)"),
    Step("a SELECT INBOX", KEYWORD, ["FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen work)", "OK [PERMANENTFLAGS (\\* \\Answered \\Deleted \\Draft \\Flagged \\Seen work)]"], ["FLAGS (\\Answered \\Deleted \\Draft \\Flagged \\Seen none work)", "OK [PERMANENTFLAGS (\\* \\Answered \\Deleted \\Draft \\Flagged \\Seen none work)]"]),
    Step("a SELECT nowhere"),
    Step("a NOOP"),
    Step("a SELECT box"),
    Step("b DELETE box"),
    Step("b UNSELECT"),
    Step("b UNSELECT", STATE, ["NO"], ["BAD"]),
    Step("b FROB"),
    Step("b ENABLE CONDSTORE"),
    Step("b ID NIL", "names", ["ID (name Posthouse)"], ["ID (name Dovecot)"]),
    Step("b SELECT INBOX"),
    Step("b FETCH 1 FLAGS"),
    Step("b LOGIN x y", STATE, ["NO"], ["BAD"]),
    Step("b STARTTLS", STATE, ["NO"], ["BAD"]),
    Step("a FETCH 1 BODY.PEEK[TEXT]", "a mailbox that another has removed: Dovecot ends the session", ["NO"], ["BYE"]),
    Step("b COPY 1 x.b.c"),
    Step("b EXAMINE x.b.c"),
    Step("b MOVE 1 y", READ_ONLY, ["NO"], ["1 EXPUNGE", "OK", "OK [COPYUID n 1 1]"]),
    Step("b SELECT INBOX"),
    Step("b RENAME INBOX old", INBOX, ["1 EXPUNGE", "2 EXPUNGE"], []),
    Step("b STATUS old (MESSAGES)"),
    Step("b STATUS INBOX (MESSAGES)", INBOX, ["OK", "STATUS INBOX (MESSAGES 0)"], ["OK [CLIENTBUG]", "STATUS INBOX (MESSAGES 2)"]),
    Step("b NOOP", INBOX, ["OK"], ["BYE"]),
]
# fmt: on


async def test_R_114_dovecot_answers_alike_or_the_difference_is_known(ours: Login, theirs: Login) -> None:
    here, there = await _run(ours), await _run(theirs)
    for step, our_lines, their_lines in zip(SCRIPT, here, there, strict=True):
        assert sorted((our_lines - their_lines).elements()) == sorted(step.ours), step
        assert sorted((their_lines - our_lines).elements()) == sorted(step.theirs), step
        assert bool(step.why) == bool(step.ours or step.theirs)


async def _run(login: Login) -> list[Counter[str]]:
    """What is answered to each command."""
    sessions = {"a": await login(), "b": await login()}
    return [_normal(await _reply(sessions[step.command[0]], step.command[2:])) for step in SCRIPT]


async def _reply(client: ImapClient, command: str) -> Reply:
    if command.startswith("APPEND"):
        _, mailbox, *flags = command.split(" ", 2)
        return await client.append(mailbox, MESSAGE, " ".join([*flags, ""]))
    try:
        return await client.run(command)
    except BadResponse:  # the session was ended
        return Reply([], b"BYE")


def _normal(reply: Reply) -> Counter[str]:
    """What was said, without what is no difference: texts, order, quotes, UIDVALIDITY, mod-sequences.

    Nor is \\Recent: to us it is a flag that all sessions see (`disable_recent yes`), as with the reference.
    """
    lines = (_line(line) for line in (*reply.untagged, reply.tagged))
    return Counter(line for line in lines if not line.endswith(("RECENT", "HIGHESTMODSEQ n]")))


def _line(line: bytes) -> str:
    status = re.match(rb"(OK|NO|BAD|BYE)( \[[^\]]*\])?", line)
    if status is None:
        return _shown(parse(line))
    text = re.sub(rb"((UIDVALIDITY|APPENDUID|COPYUID|HIGHESTMODSEQ) )[0-9]+", rb"\1n", status[0]).decode()
    return re.sub(r"\(.*\)", lambda words: _words(words[0][1:-1].split()), text)


def _shown(values: list[Any]) -> str:
    """An untagged response."""
    if values[1:2] == ["FETCH"]:
        number, _, items = values
        told = dict(zip(items[::2], items[1::2], strict=True))
        told.pop("MODSEQ", None)
        return f"{number} FETCH " + " ".join(f"{name.upper()} {_value(told[name])}" for name in sorted(told))
    return " ".join(map(_value, values))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return _words([_value(one) for one in value])
    return value.decode().replace("\r\n", "|") if isinstance(value, bytes) else str(value)


def _words(words: list[str]) -> str:
    """A list; flags in the order of the alphabet."""
    shown = sorted(set(words) - {"\\Recent"}) if any(word.startswith("\\") for word in words) else words
    return f"({' '.join(shown)})"
