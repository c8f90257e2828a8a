"""Write docs/reference/ anew from what the modules declare: `python docs/generate.py`."""

from pathlib import Path

from posthouse.framework.config.reference import pages
from posthouse.modules.catalogue import CATALOGUE

REFERENCE = Path(__file__).parent / "reference"


def main() -> None:
    """Write all pages, and remove those of modules that are no more."""
    found = {REFERENCE / path: text for path, text in pages(CATALOGUE).items()}
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in REFERENCE.rglob("*.md"):
        if path not in found:
            path.unlink()


if __name__ == "__main__":
    main()
