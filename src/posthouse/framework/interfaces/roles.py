"""The roles that directives ask modules for, with their implied prefixes (spec/config-language §8)."""

from posthouse.framework.interfaces.auth import Authenticator
from posthouse.framework.interfaces.check import Check, CheckGroup
from posthouse.framework.interfaces.limits import Limits
from posthouse.framework.interfaces.modifier import Modifier, ModifierGroup
from posthouse.framework.interfaces.storage import Storage
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.target import Target
from posthouse.framework.interfaces.tls import TlsLoader
from posthouse.framework.registry import Role

TABLE = Role("table", Table, "table")
AUTH = Role("auth", Authenticator, "auth")
TARGET = Role("target", Target, "target")
STORAGE = Role("storage", Storage, "storage")
TLS_LOADER = Role("tls loader", TlsLoader, "tls.loader")
CHECK = Role("check", Check, "check")
CHECKS = Role("checks", CheckGroup, "")
MODIFIER = Role("modifier", Modifier, "modify")
MODIFIERS = Role("modifiers", ModifierGroup, "")
LIMITS = Role("limits", Limits, "")
