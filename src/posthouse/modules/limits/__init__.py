"""limits: how much mail is taken at a time. A block shared by reference has one set of counters for all who use it.

A message takes of `all`, then `ip`, then `source`, of each line by line. It waits for its turn, 5 seconds in all; then the
client hears `451 4.4.5`. `rate` lets BURST messages pass, and as many again once per PERIOD (one second if it is left out).
`concurrency` counts a message until it has ended. A number of 0 or less is no limit. A scope counts up to 20,010 keys apart,
half of them for one client: an IPv4 address, or an IPv6 network of 48 bits. Beyond, a key of the client that has most of them
idle is forgotten; for a client that has most itself, one that is idle for a minute, and while there is none, its new keys are
refused."""

from posthouse.modules.limits.module import Limits as Limits
