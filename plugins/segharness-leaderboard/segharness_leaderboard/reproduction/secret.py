"""The secret that a sample is drawn by: its SHA-256 is published before the bundle is known, and it serves one bundle."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from segharness import UsageError, write_atomic


def secret_of(text: str) -> bytes:
    """Return the secret that a text has in hex.

    Raises:
        ValueError: it has less than 16 bytes, or is no hex.

    Example:
        >>> len(secret_of("ab" * 16))
        16
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) < 16:
        raise ValueError("a secret has at least 16 bytes, in hex")
    return value


def new_secret(file: Path) -> bytes:
    """Write a new secret into a file that others cannot read, and return it.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    if file.exists():
        raise UsageError(f"{file}: is there already; a secret is for one bundle alone")
    secret = secrets.token_bytes(32)
    _write(file, f"{secret.hex()}\n")
    return secret


def secret_in(file: Path) -> bytes:
    """Return the secret in a file.

    Raises:
        UsageError: the file cannot be read, or has none.
    """
    try:
        return secret_of(file.read_text().partition("\n")[0].strip())
    except (OSError, ValueError) as error:
        raise UsageError(f"--seed-file {file}: {getattr(error, 'strerror', None) or error}") from error


def use_up(file: Path, root: str) -> None:
    """Note in the file of a secret which bundle it was used for, because the verdict publishes it.

    Raises:
        UsageError: it was used for another one, or the file cannot be written.
    """
    secret, _, used = file.read_text().partition("\n")
    if used.strip() not in ("", root):
        raise UsageError(
            f"--seed-file {file}: was used for another bundle, whose verdict shows it: take a --new-secret"
        )
    _write(file, f"{secret}\n{root}\n")


def _write(file: Path, text: str) -> None:
    try:
        write_atomic(file, text.encode(), mode=0o600)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def commitment(secret: bytes) -> str:
    """Return what is published before a secret is used: its SHA-256, as hex.

    Example:
        >>> commitment(b"secret")[:16]
        '2bb80d537b1da3e3'
    """
    return hashlib.sha256(secret).hexdigest()
