"""What the locked dependencies must hold: permissive licences at run time, hashes, no address of an index.

Run by `make check` with the Python of the virtual environment; says what is wrong, and ends with 1.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

HERE = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)==\S+", re.MULTILINE)
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU (Lesser |Library |Affero )?General Public", re.IGNORECASE)
BANNED = {
    "niquests": "its dependency overwrites urllib3 in the environment",
    "urllib3-future": "overwrites urllib3",
    "passlib": "unpacks into the directory of libpass",
    "httpx": "stalled; httpx2 goes on with it",
    "tldextract": "goes to the network at first use",
}


def licences(name: str) -> str:
    """All that a package says of its licence. Raises PackageNotFoundError."""
    about = metadata(name)
    classifiers = [c for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    fields = [*(about.get_all("License-Expression") or ()), *(about.get_all("License") or ())]
    return " / ".join([*fields, *classifiers])


def problems() -> Iterator[str]:
    """One line for each thing that is wrong."""
    for file in sorted(HERE.glob("*.txt")):
        text = file.read_text()
        for name in PIN.findall(text):
            if name in BANNED:
                yield f"{file.name}: {name} is not used here: {BANNED[name]}"
        if "://" in text:
            yield f"{file.name}: names an address"
        for pinned in re.split(r"\n(?=[A-Za-z0-9])", text):
            if PIN.match(pinned) and "--hash=sha256:" not in pinned:
                yield f"{file.name}: {PIN.findall(pinned)[0]} has no hash"
    for name in PIN.findall((HERE / "runtime.txt").read_text()):
        try:
            said = licences(name)
        except PackageNotFoundError:  # another platform's
            continue
        if COPYLEFT.search(said):
            yield f"runtime.txt: the licence of {name} is {said}"
        if not said:
            yield f"runtime.txt: {name} does not say its licence"


if __name__ == "__main__":
    found = list(problems())
    sys.exit("\n".join(found) if found else None)
