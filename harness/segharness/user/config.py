"""The user's settings, ``~/.config/segharness/config.toml``: the places of data sets and interpreters.

``data.NAME`` is the value of the variable ``${NAME}`` in suites, unless ``--var`` or the environment has one.
``python.NAME`` is the interpreter of the environment in which the framework NAME is installed; its plugin's models run
under it.
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
        UsageError: the file cannot be read, or holds anything but settings.
    """
    return {key.partition(".")[2]: value for key, value in settings().items() if key.startswith("data.")}


def settings() -> dict[str, str]:
    """Return every setting by its key: ``data.coco`` is a folder, ``python.mmdet`` a file.

    Raises:
        UsageError: the file cannot be read, or holds anything but settings.
    """
    return _settings(_document()) if config_file().exists() else {}


def _settings(document: Any) -> dict[str, str]:
    values: dict[str, str] = {}
    for table, content in document.items():
        if table not in ("data", "python") or not isinstance(content, Mapping):
            raise UsageError(f"{config_file()}: `{table}` is no setting; the tables are [data] and [python]")
        for name, value in content.items():
            if not _KEY.fullmatch(f"{table}.{name}") or not isinstance(value, str):
                raise UsageError(
                    f"{config_file()}: {table}.{name} must be a name of letters, digits and _, and its value a text"
                )
            values[f"{table}.{name}"] = str(value)
    return values


def change(key: str, value: str | None) -> None:
    """Set a setting, or remove it if `value` is None; the rest of the file stays as it is.

    Args:
        key: ``data.NAME`` or ``python.NAME``.
        value: the new value.

    Raises:
        UsageError: there is no such setting, or the file cannot be read, edited or written.
    """
    table, name = check_key(key)
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    if value is None and key not in settings():
        raise UsageError(f"{config_file()}: has no {key}")
    expected = {k: v for k, v in settings().items() if k != key}
    expected |= {key: value} if value is not None else {}
    document = _document()
    try:
        if value is None:
            del document[table][name]
        else:
            document.setdefault(table, tomlkit.table())[name] = value
        text = tomlkit.dumps(document).encode()
        changed = _settings(tomlkit.parse(text.decode())) == expected
    except (TOMLKitError, KeyError, AttributeError, TypeError, ValueError):
        changed = False  # tomlkit can read some forms of TOML that it cannot edit
    if not changed:
        raise UsageError(f"{config_file()}: segharness cannot edit TOML of this form; change {key} in it yourself")
    try:
        write_atomic(config_file(), text)
    except OSError as error:
        raise UsageError(f"{config_file()}: cannot be written: {error.strerror}") from error


def check_key(key: str) -> tuple[str, str]:
    """Return the table of a setting, and its name in the table.

    Raises:
        UsageError: there is no such setting.

    Example:
        >>> check_key("data.coco")
        ('data', 'coco')
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise UsageError(
            f"{key}: no such setting; there are data.NAME, the folder of a data set, e.g. data.coco, and python.NAME, the "
            "interpreter of a framework, e.g. python.mmdet"
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
