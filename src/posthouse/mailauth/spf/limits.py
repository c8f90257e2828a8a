"""What one evaluation may cost (RFC 7208 §4.6.4).

No record can make more than QUERIES_MAX questions of it, and includes nest no deeper than TERMS_MAX.
"""

from typing import Final

TIME_LIMIT: Final = 20.0  # seconds that a caller should give one evaluation; then it is temperror
TERMS_MAX: Final = 10  # mechanisms and redirects that ask DNS
VOIDS_MAX: Final = 2  # of them, those that find nothing
MX_MAX: Final = 10  # exchanges of one `mx`; more are permerror
PTR_MAX: Final = 10  # names of the client that are looked at
RECORD_MAX: Final = 8192  # octets of a record; RFC 7208 §3.4 asks publishers for less than 450
QUERIES_MAX: Final = 1 + TERMS_MAX * (1 + MX_MAX) + (1 + PTR_MAX)  # the record, the terms, the client's names
