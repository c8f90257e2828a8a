"""Who sent a message: SPF, DKIM, DMARC. Decisions alone; DNS comes in as an argument."""
