"""modify.dkim: signs messages in the name of the sender's domain (RFC 6376, RFC 8463).

    dkim example.org example.com mail {
        newkey_algo ed25519
    }

The domain of the envelope's sender says which key signs; `<>` and `<postmaster>` are signed with that of the first domain. A message of any other domain is
left unsigned, which is logged, as is one without a From field. A key that is not there yet is made before the first start, and beside it a
file `.dns` with the text of the TXT record that must be published at `SELECTOR._domainkey.DOMAIN`; the log says so. List the modifier
last: what others add behind it is not signed.
"""

from posthouse.modules.modify.dkim.module import Dkim as Dkim
