"""The replies that an SMTP server gives by itself, as they go over the wire (spec/smtp-endpoint.md §2, §5)."""

from posthouse.wire.smtp.reply import Reply

BAD_SYNTAX = Reply(500, (5, 5, 2), "Error: bad syntax").to_bytes()
BAD_COMMAND = Reply(501, (5, 5, 2), "Bad command").to_bytes()
TOO_MANY_ERRORS = Reply(500, (5, 5, 1), "Too many errors. Quiting now").to_bytes()
BARE_NEWLINE = Reply(500, (5, 5, 2), "Bare CR or LF is not allowed").to_bytes()
LINE_TOO_LONG = Reply(500, (5, 4, 0), "Too long line, closing connection").to_bytes()
NO_SMTP = Reply(500, (5, 5, 2), "This is a mail server").to_bytes()

LHLO_WANTED = Reply(500, (5, 5, 1), "This is a LMTP server, use LHLO").to_bytes()
NO_LMTP = Reply(500, (5, 5, 1), "This is not a LMTP server").to_bytes()
NO_NAME = Reply(501, (5, 5, 2), "Domain/address argument required for HELO").to_bytes()

NOT_GREETED = Reply(502, (5, 5, 1), "Please introduce yourself first.").to_bytes()
NO_SENDER = Reply(502, (5, 5, 1), "Missing MAIL FROM command.").to_bytes()
NO_RECIPIENT = Reply(502, (5, 5, 1), "Missing RCPT TO command.").to_bytes()
MAIL_IN_TRANSFER = Reply(502, (5, 5, 1), "MAIL not allowed during message transfer").to_bytes()
RCPT_IN_TRANSFER = Reply(502, (5, 5, 1), "RCPT not allowed during message transfer").to_bytes()
DATA_IN_TRANSFER = Reply(502, (5, 5, 1), "DATA not allowed during message transfer").to_bytes()
AUTH_IN_TRANSACTION = Reply(503, (5, 5, 1), "AUTH not allowed during a mail transaction").to_bytes()

BAD_MAIL = Reply(501, (5, 5, 2), "Was expecting MAIL arg syntax of FROM:<address>").to_bytes()
BAD_RCPT = Reply(501, (5, 5, 2), "Was expecting RCPT arg syntax of TO:<address>").to_bytes()
TOO_BIG = Reply(552, (5, 3, 4), "Max message size exceeded").to_bytes()
DATA_ARGUMENT = Reply(501, (5, 5, 4), "DATA command should not have any arguments").to_bytes()
GO_AHEAD = Reply(354, None, "Go ahead. End your data with <CR><LF>.<CR><LF>").to_bytes()

NO_CHUNK_SIZE = Reply(501, (5, 5, 4), "Missing chunk size argument").to_bytes()
BDAT_ARGUMENTS = Reply(501, (5, 5, 4), "Too many arguments").to_bytes()
BDAT_ARGUMENT = Reply(501, (5, 5, 4), "Unknown BDAT argument").to_bytes()
BAD_CHUNK_SIZE = Reply(501, (5, 5, 4), "Malformed size argument").to_bytes()
CONTINUE = Reply(250, (2, 0, 0), "Continue").to_bytes()

VRFY = Reply(252, (2, 5, 0), "Cannot VRFY user, but will accept message").to_bytes()
NOOP = Reply(250, (2, 0, 0), "I have successfully done nothing").to_bytes()
RSET = Reply(250, (2, 0, 0), "Session reset").to_bytes()
QUIT = Reply(221, (2, 0, 0), "Bye").to_bytes()

TLS_ALREADY = Reply(502, (5, 5, 1), "Already running in TLS").to_bytes()
NO_TLS = Reply(502, (5, 5, 1), "TLS not supported").to_bytes()
START_TLS = Reply(220, (2, 0, 0), "Ready to start TLS").to_bytes()

AUTH_ALREADY = Reply(503, (5, 5, 1), "Already authenticated").to_bytes()
NO_MECHANISM = Reply(502, (5, 5, 4), "Missing parameter").to_bytes()
TLS_REQUIRED = Reply(523, (5, 7, 10), "TLS is required").to_bytes()
BAD_BASE64 = Reply(454, (4, 7, 0), "Invalid base64 data").to_bytes()
AUTH_CANCELLED = Reply(501, (5, 0, 0), "Negotiation cancelled").to_bytes()
AUTH_OK = Reply(235, (2, 0, 0), "Authentication succeeded").to_bytes()

QUEUED = Reply(250, (2, 0, 0), "OK: queued").to_bytes()
BARE_NEWLINE_IN_MESSAGE = Reply(550, (5, 5, 2), "Bare CR or LF is not allowed")
