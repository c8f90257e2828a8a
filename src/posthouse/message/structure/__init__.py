"""What a message is made of: its MIME parts and its ENVELOPE, found once, at delivery, in one scan."""

from posthouse.message.structure.bodystructure import without_extensions
from posthouse.message.structure.parts import Parts, parts_of
from posthouse.message.structure.scan import Structure, scan

__all__ = ["Parts", "Structure", "parts_of", "scan", "without_extensions"]
