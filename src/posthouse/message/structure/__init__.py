"""What a message is made of: its MIME parts and its ENVELOPE, found once, at delivery, in one scan."""

from posthouse.message.structure.parts import Parts, parts_of

__all__ = ["Parts", "parts_of"]
