"""SMTP replies (RFC 5321 §4.2, RFC 3463)."""

from dataclasses import dataclass

EnhancedCode = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply. `enhanced` (RFC 3463) has the class of `code`, else ValueError."""

    code: int
    enhanced: EnhancedCode | None
    text: str  # no CRLF; "\n" parts the lines

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"{self.code} is no reply code")
        if self.enhanced is not None and self.enhanced[0] != self.code // 100:
            raise ValueError(f"class of {self.enhanced} does not fit {self.code}")
        if "\r" in self.text:
            raise ValueError("a reply's text holds no CR")

    @property
    def is_transient(self) -> bool:
        """Whether the same command may succeed later: code 4yz."""
        return self.code // 100 == 4

    def to_bytes(self) -> bytes:
        """The reply as it goes over the wire, with CRLF; only its last line has the enhanced code."""
        lines = self.text.split("\n")
        enhanced = "" if self.enhanced is None else "%d.%d.%d " % self.enhanced
        out = [f"{self.code}-{line}\r\n" for line in lines[:-1]]
        out.append(f"{self.code} {enhanced}{lines[-1]}\r\n")
        return "".join(out).encode("utf-8", "replace")
