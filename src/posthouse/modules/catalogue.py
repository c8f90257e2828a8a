"""Every module that a configuration may name, and where it lives. Imported when configured."""

from posthouse.framework.registry import Catalogue

CATALOGUE = Catalogue(
    endpoints={
        "smtp": "posthouse.modules.endpoint.smtp:SmtpEndpoint",
        "submission": "posthouse.modules.endpoint.smtp:SubmissionEndpoint",
        "lmtp": "posthouse.modules.endpoint.smtp:LmtpEndpoint",
        "imap": "posthouse.modules.endpoint.imap:ImapEndpoint",
    },
    modules={
        "dummy": "posthouse.modules.dummy:Dummy",
        "auth.dummy": "posthouse.modules.dummy:Dummy",
        "target.dummy": "posthouse.modules.dummy:Dummy",
        "table.dummy": "posthouse.modules.dummy:Dummy",
        "auth.pass_table": "posthouse.modules.auth.pass_table:PassTable",
        "table.static": "posthouse.modules.table.static:StaticTable",
        "table.file": "posthouse.modules.table.file:FileTable",
        "table.identity": "posthouse.modules.table.identity:IdentityTable",
        "table.sql_table": "posthouse.modules.table.sql_table:SqlTable",
        "msgpipeline": "posthouse.modules.msgpipeline:MsgPipeline",
        "checks": "posthouse.modules.check.group:Checks",
        "modifiers": "posthouse.modules.modify.group:Modifiers",
        "check.rspamd": "posthouse.modules.check.rspamd:Rspamd",
        "limits": "posthouse.modules.limits:Limits",
        "modify.dkim": "posthouse.modules.modify.dkim:Dkim",
        "modify.replace_sender": "posthouse.modules.modify.replace_sender:ReplaceSender",
        "modify.replace_rcpt": "posthouse.modules.modify.replace_rcpt:ReplaceRcpt",
        "table.chain": "posthouse.modules.table.chain:ChainTable",
        "table.email_localpart": "posthouse.modules.table.email_localpart:EmailLocalpart",
        "table.email_localpart_optional": "posthouse.modules.table.email_localpart_optional:EmailLocalpartOptional",
        "table.email_with_domain": "posthouse.modules.table.email_with_domain:EmailWithDomain",
        "table.sql_query": "posthouse.modules.table.sql_query:SqlQuery",
        "table.regexp": "posthouse.modules.table.regexp:RegexpTable",
        "storage.imapsql": "posthouse.modules.storage.imapsql:ImapSql",
        "target.imapsql": "posthouse.modules.storage.imapsql:ImapSql",
        "tls.loader.file": "posthouse.modules.tls.file:FileLoader",
        "tls.loader.self_signed": "posthouse.modules.tls.self_signed:SelfSignedLoader",
        "check.authorize_sender": "posthouse.modules.check.authorize_sender:AuthorizeSender",
        "check.command": "posthouse.modules.check.command:Command",
        "check.dkim": "posthouse.modules.check.dkim:Dkim",
        "check.dnsbl": "posthouse.modules.check.dnsbl:Dnsbl",
        "check.spf": "posthouse.modules.check.spf:Spf",
        "check.milter": "posthouse.modules.check.milter:Milter",
        "check.require_tls": "posthouse.modules.check.require_tls:RequireTls",
        "require_tls": "posthouse.modules.check.require_tls:RequireTls",
        "check.require_mx_record": "posthouse.modules.check.require_mx_record:RequireMxRecord",
        "require_mx_record": "posthouse.modules.check.require_mx_record:RequireMxRecord",
        "check.require_matching_rdns": "posthouse.modules.check.require_matching_rdns:RequireMatchingRdns",
        "require_matching_rdns": "posthouse.modules.check.require_matching_rdns:RequireMatchingRdns",
    },
    later=frozenset(
        "openmetrics dovecot_sasld mx_auth imap_filters"
        " auth.plain_separate auth.external auth.pam auth.shadow auth.ldap auth.netauth auth.dovecot_sasl dovecot_sasl"
        " table.ldap table.netauth"
        " target.queue target.remote target.smtp target.lmtp"
        " storage.blob.fs storage.blob.s3 tls.loader.acme"
        " imap.filter.command"
        " mx_auth.dane mx_auth.mtasts mx_auth.sts_preload mx_auth.dnssec mx_auth.local_policy"
        " libdns.acmedns libdns.alidns libdns.cloudflare libdns.digitalocean libdns.gandi libdns.gcore"
        " libdns.googleclouddns libdns.hetzner libdns.leaseweb libdns.metaname libdns.namecheap libdns.namedotcom"
        " libdns.rfc2136 libdns.route53 libdns.vultr".split()
    ),
)
