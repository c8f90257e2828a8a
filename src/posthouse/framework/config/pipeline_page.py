"""The reference page of the language of pipelines, which no module declares (spec/message-pipeline.md §2 to §6)."""

from typing import Final

PIPELINE: Final = """What becomes of a message. A pipeline stands in an `smtp`, `submission` or `lmtp` block beside the directives of the endpoint, in a
[`msgpipeline`](msgpipeline.md) block, and in `reroute { }`.

    check {
        require_mx_record
    }
    source example.org {
        reject 501 5.1.8 "Use Submission for outgoing SMTP"
    }
    default_source {
        destination postmaster example.org {
            modify {
                replace_rcpt file /etc/posthouse/aliases
            }
            deliver_to &local_mailboxes
        }
        default_destination {
            reject 550 5.1.1 "User doesn't exist"
        }
    }

## Blocks

The sender of a message chooses a source block, each of its recipients a destination block in there. Whoever needs no choice leaves the level out:
what would stand in the default block then stands directly in the pipeline, or in the source block.

| directive | where | |
| --- | --- | --- |
| `source RULE... { }` | pipeline | messages whose sender one of the rules names |
| `source_in TABLE { }` | pipeline | messages for whose sender the table has any answer |
| `default_source { }` | pipeline | all others; required where there is a `source` |
| `destination RULE... { }` | source | recipients that one of the rules names |
| `destination_in TABLE { }` | source | recipients for whom the table has any answer |
| `default_destination { }` | source | all others; required where there is a `destination` |
| `deliver_to TARGET` | destination | where the message goes; may repeat: it goes to all of them |
| `reroute { }` | destination | the recipients go through another pipeline, which stands in the block; may repeat |
| `reject [CODE [ENHANCED [TEXT]]]` | destination | they are refused, by default with 554 5.7.0; nothing else may be done with them |
| `check { }`, `check &NAME` | everywhere | [checks](checks.md), for all that comes to the block; may repeat |
| `modify { }`, `modify &NAME` | everywhere | [modifiers](modifiers.md), likewise |
| `dmarc [BOOL]` | pipeline | judge messages by [DMARC](#dmarc); off by default |
| `dmarc_mode MODE` | pipeline | how DMARC finds policies: `tree`, the default, or `psl` |

A RULE is an address (`ann@example.org`), a domain (`example.org`) or `postmaster`, the recipient without a domain. There are no wildcards: a table
can match by a pattern (`destination_in regexp "(.+)@(.+[.])?example[.]org" { }`). Case does not matter, and domains may be written in Unicode or as A-labels.

Tables are asked first, in their order, for the normalized address. Then the rule of the whole address counts, then that of its domain, wherever in
the file they stand; then the default. Of two equal rules the first one counts. The empty sender `<>` meets tables (with an empty key) and the default only.
A table that cannot answer refuses the message for now (4xx); it never chooses another way. The block of `source_in` and `destination_in` is not the
table's: one with directives stands at top level, and is named by `&NAME`.

A `destination` block with nothing in it discards the message for these recipients.

## Order

1. MAIL: the checks and the modifiers of the pipeline, the choice of the source block, its checks, its modifiers. With
   `defer_sender_reject`, the default, this is done at the first RCPT.
2. RCPT: the checks of pipeline and source block see the recipient as it was given. Their modifiers replace it, one after the other, perhaps
   by several. Each of those chooses its destination block, is seen by the checks of that block and replaced by its modifiers; then it is given to the targets,
   and what they say is the reply.
3. DATA: all checks see the message. Above the header `Received` is added (by endpoints only), above it `Authentication-Results`, then the fields of
   checks, then those of modifiers.
4. Targets get the message. It is accepted when all of them have it, else aborted everywhere.

Checks of one stage are asked together; the first one that rejects, in the order of the configuration, makes the reply. A check that is listed more than once
by `&NAME` is asked once. One that first comes into play at a later block hears what it missed. A message that any check wants in quarantine goes on,
and mailboxes keep it in Junk.

`posthouse explain` tells which blocks a message meets, and why; [`expect`](global/expect.md) blocks are tests of it.

## DMARC

`dmarc` asks whether the domain in From stands behind the message: by a signature that [`check.dkim`](check/dkim.md) found to be good, or by the client,
as [`check.spf`](check/spf.md) found it. Both are to be checked in the same pipeline; without a result of each nothing is done. What its
policy wants done otherwise is done: the message is put in quarantine, or refused with `550 5.7.1`; with `450 4.7.1` where DNS did not tell, so that the client
tries again. What came of it is `dmarc=` in `Authentication-Results`. A message without exactly one address in From is `permerror`, and let in.

With `dmarc_mode tree` the policy is found as RFC 9989 says, by asking for records up the tree of DNS. With `psl` it is found as RFC 7489 says, by the list
of public suffixes that is installed, and `pct` counts."""
