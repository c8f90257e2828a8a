"""Values that are modules: `directive(table, ...)` takes `&name`, or a module's name, arguments and block."""

from posthouse.framework.config.values import ModuleKind
from posthouse.framework.interfaces import roles

table = ModuleKind(roles.TABLE)
auth = ModuleKind(roles.AUTH)
target = ModuleKind(roles.TARGET)
storage = ModuleKind(roles.STORAGE)
tls_loader = ModuleKind(roles.TLS_LOADER)
