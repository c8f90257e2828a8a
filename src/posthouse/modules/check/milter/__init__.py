"""check.milter: asks a filter that speaks Sendmail's milter protocol, version 6.

The address is `tcp://HOST:PORT` or `unix:PATH`. The filter sees all steps of a message that it wants to see, and may refuse it,
quarantine it, and add header fields; these stand on top of the message. Other changes that it asks for are logged and not made; filters
that insist on them break off at once (opendkim does without with `KeepAuthResults yes`).
A filter that is not there, breaks off, takes more than 10 seconds, or answers nonsense is a temporary failure, or with
`fail_open` none.
"""

from posthouse.modules.check.milter.module import Milter as Milter
