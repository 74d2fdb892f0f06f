"""One data file: read whole, checked against its digests, parsed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
SUMS = "SHA256SUMS"  # as sha256sum writes it; lines that start with # are comments


class DamagedData(ValueError):
    """A data file is missing, truncated or altered; the message says which and what mends it."""


@dataclass(frozen=True, kw_only=True)
class DataFile(Generic[T]):
    """A file of a data set, how to read it, and how to get it back.

    An official file is always right. Another one must agree with the SHA256SUMS in its folder where
    that lists it; the content of any other is unknown, and only ``parse`` can object.
    """

    path: Path
    parse: Callable[[bytes], T]  # raises ValueError for what is not well-formed
    official: str | None  # MD5 or SHA-256 in hexadecimal, by its length
    remedy: str  # the command that brings the file back

    def load(self) -> tuple[T, str]:
        """The parsed content, and its origin in words.

        Raises:
            DamagedData: If the file cannot be read, is not what SHA256SUMS says, or does not parse.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise self._damaged("missing" if missing else f"{error.strerror}") from None
        found = f"{len(content)} bytes, {_kind(self.official)} {_digest(content, self.official)}"
        expected = f", official {_kind(self.official)} {self.official}" if self.official else ""
        if self.official and self.official == _digest(content, self.official):
            origin = "official"
        elif listed := _read_sums(self.path.parent / SUMS).get(self.path.name):
            if listed != _digest(content, listed):
                found = f"{len(content)} bytes, sha256 {_digest(content, listed)}"
                raise self._damaged(f"altered: found {found}, {SUMS} beside it says {listed}")
            origin = f"matches {SUMS}"
        else:
            origin = "unknown content, but well-formed"
        try:
            return self.parse(content), origin
        except ValueError as error:
            raise self._damaged(f"{error}: found {found}{expected}") from error

    def _damaged(self, reason: str) -> DamagedData:
        again = f"\n  or remove {self.path.parent} and let the program that wrote {SUMS} write it"
        listed = (self.path.parent / SUMS).exists()
        return DamagedData(
            f"{self.path}: {reason}.\n  Mend it: {self.remedy}{again if listed else ''}"
        )


def _kind(digest: str | None) -> str:
    return "md5" if digest and len(digest) == 32 else "sha256"


def _digest(content: bytes, like: str | None) -> str:
    return hashlib.new(_kind(like), content, usedforsecurity=False).hexdigest()


def _read_sums(path: Path) -> dict[str, str]:
    """Digests by file name; empty where there is no list."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DamagedData(f"{path}: unreadable ({error}).\n  Mend it: rm {path}") from None
    fields = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    if not all(len(field) == 2 and len(field[0]) == 64 for field in fields):
        raise DamagedData(f"{path}: not a list of sha256 sums.\n  Mend it: rm {path}")
    return {name.lstrip("*"): digest.lower() for digest, name in fields}
