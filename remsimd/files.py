"""Small files that are the old or the new one at any moment, a power cut included."""

import os
import shutil
import tempfile
from pathlib import Path


def replace(path: Path, data: bytes) -> None:
    """Make `data` the whole content of `path`; its folder is made where it is missing.

    The mode is that of the file replaced; a new one is for its owner only. Raises OSError, with
    the old file left as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or the names in a folder, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
