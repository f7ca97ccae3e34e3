"""A user's own settings, ``~/.config/segharness/config.toml``: where data sets and interpreters lie.

``data.NAME`` is the value of the variable ``${NAME}`` of suites, where neither ``--var`` nor the environment has one.
``python.NAME`` is the interpreter of the environment that the framework NAME is in, for models of its plugin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from segharness.errors import UsageError
from segharness.store.atomic import write_atomic
from segharness.user.user_dirs import config_file

_KEY = re.compile(r"(data|python)\.([A-Za-z_][A-Za-z0-9_]*)")


def variables() -> dict[str, str]:
    """Return the values of ``data.*``, by the name of the variable.

    Raises:
        UsageError: the file is broken.
    """
    return {key.partition(".")[2]: value for key, value in settings().items() if key.startswith("data.")}


def settings() -> dict[str, str]:
    """Return every setting, ``data.coco``: a folder, ``python.mmdet``: a file.

    Raises:
        UsageError: the file is broken, or holds what is no setting.
    """
    return _settings(_document()) if config_file().exists() else {}


def _settings(document: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for table, content in document.items():
        if table not in ("data", "python") or not isinstance(content, Mapping):
            raise UsageError(f"{config_file()}: `{table}` is no setting; there are the tables [data] and [python]")
        for name, value in content.items():
            if not _KEY.fullmatch(f"{table}.{name}") or not isinstance(value, str):
                raise UsageError(f"{config_file()}: {table}.{name} is no name of a variable with a text")
            found[f"{table}.{name}"] = str(value)
    return found


def change(key: str, value: str | None) -> None:
    """Set a setting, or remove it where `value` is None; what else the file holds stays as it is.

    Raises:
        UsageError: there is no such setting, or the file is broken or cannot be written.
    """
    table, name = check_key(key)
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if value is None and key not in settings():
        raise UsageError(f"{config_file()}: has no {key}")
    expected = {known: found for known, found in settings().items() if known != key}
    expected |= {key: value} if value is not None else {}
    document = _document()
    try:
        if value is None:
            del document[table][name]
        else:
            document.setdefault(table, tomlkit.table())[name] = value
        text = tomlkit.dumps(document).encode()
        done = _settings(tomlkit.parse(text.decode())) == expected
    except (TOMLKitError, KeyError, AttributeError, TypeError, ValueError):
        done = False  # there are ways to write TOML that tomlkit reads and cannot edit
    if not done:
        raise UsageError(f"{config_file()}: cannot be changed as it is written; edit {key} there yourself")
    try:
        write_atomic(config_file(), text)
    except OSError as error:
        raise UsageError(f"{config_file()}: cannot be written: {error.strerror}") from error


def check_key(key: str) -> tuple[str, str]:
    """Return the table that a setting is in, and its name there.

    Raises:
        UsageError: there is no such setting.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise UsageError(
            f"{key}: no such setting; there are data.NAME, the folders of data sets, e.g. data.coco, and python.NAME, the "
            "interpreters of frameworks, e.g. python.mmdet"
        )
    return match[1], match[2]


def _document() -> Any:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(config_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{config_file()}: cannot be read: {error}") from error
    except TOMLKitError as error:
        raise UsageError(f"{config_file()}: not TOML: {error}") from error
