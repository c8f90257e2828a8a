"""check.dnsbl: asks DNS lists whether they know the client (RFC 5782).

Each list that knows it adds its score; the sum decides. Lists are asked about the client's address, about the name of its EHLO, and about the
domain of the sender, and count once each. Their zones are arguments (asked about IPv4 addresses only, and any answer counts),
or the names of blocks within the block. With `check_early` a client over `reject_threshold` is refused at EHLO, without it at MAIL.
Answers outside of 127.0.0.0/8, and those of 127.255.255.0/24, by which lists refuse to answer, count only where `responses` or `response` has them.
After each start lists are tried with entries that all lists must have, or must not have; what is wrong with one is logged. An `expect` block needs
both the A and the TXT records of a client that lists know.
"""

from posthouse.modules.check.dnsbl.module import Dnsbl as Dnsbl
