"""table.regexp: values by what a key looks like.

PATTERN has the syntax of RE2, without `\\p`, `\\C` and `\\Q`; there are no references back and no looking around, and no key can make
it slow. Each REPLACEMENT is a value, in which `$1`, `${1}` and `${name}` are what the group matched, and `$$` is a dollar sign. Without
a REPLACEMENT the value is the key."""

from posthouse.modules.table.regexp.module import RegexpTable as RegexpTable
