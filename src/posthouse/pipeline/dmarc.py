"""DMARC's part in a pipeline (spec/message-pipeline.md §7): a policy is looked up, and applied to what checks found."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from posthouse.core import spans
from posthouse.core.errors import MailError
from posthouse.core.world import DnsError
from posthouse.framework.interfaces.check import AuthResult
from posthouse.framework.interfaces.message import Envelope
from posthouse.mailauth.dmarc.evaluation import DkimResult, Dmarc, SpfResult, Value, Verdict
from posthouse.mailauth.dmarc.record import Policy
from posthouse.message.originators import MalformedField
from posthouse.pipeline.checks import Findings
from posthouse.wire.smtp.reply import Reply

FAILED: Final = Reply(550, (5, 7, 1), "DMARC check failed")
FAILED_NOW: Final = Reply(450, (4, 7, 1), "DMARC check failed")


async def fetch_policy(dmarc: Dmarc) -> None:
    """Look the policy up ahead of the verdict, which says what is wrong if that fails."""
    with suppress(MalformedField, DnsError):
        await spans.within("DMARC/FetchRecord", dmarc.policy())


async def judge(dmarc: Dmarc, found: Findings, envelope: Envelope, random: Callable[[int], bytes]) -> None:
    """Add DMARC's result to what checks found, and apply its policy. Raises MailError where that is to reject."""
    dkim, spf = _dkim_results(found.auth_results), _spf_result(found.auth_results)
    verdict = await dmarc.evaluate(dkim, spf, random)
    if verdict.disposition is Policy.REJECT:
        raise _failure(verdict, dkim, spf)
    if verdict.disposition is Policy.QUARANTINE:
        envelope.log.info("quarantined", **_failure(verdict, dkim, spf).log_fields())
        found.quarantine = True
    found.auth_results.append(AuthResult(*verdict.auth_result()))


def _failure(verdict: Verdict, dkim: Sequence[DkimResult], spf: SpfResult | None) -> MailError:
    return MailError(
        FAILED_NOW if verdict.value is Value.TEMPERROR else FAILED,
        check="dmarc",
        reason=verdict.reason,
        dkim_res=", ".join(one.value for one in dkim),
        dkim_domain=", ".join(one.domain for one in dkim),
        spf_res=spf.value if spf is not None else "",
        spf_from=spf.domain if spf is not None else "",
    )


def _dkim_results(results: Sequence[AuthResult]) -> Sequence[DkimResult]:
    return [
        DkimResult(one.value, one.properties.get("header.d", "")) for one in results if one.method == "dkim"
    ]


def _spf_result(results: Sequence[AuthResult]) -> SpfResult | None:
    """The first: several checks of SPF say the same. It is of MAIL FROM, for `<>` of HELO."""
    for one in results:
        if one.method == "spf":
            domain = one.properties.get("smtp.mailfrom") or one.properties.get("smtp.helo", "")
            return SpfResult(one.value, domain)
    return None
