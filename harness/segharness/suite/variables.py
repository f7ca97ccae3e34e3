"""Variables in suites: ``${NAME}`` and ``${NAME:-default}``."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from segharness.errors import coded, nearest
from segharness.suite.mark import Mark
from segharness.suite.missing import Missing

VARIABLE = re.compile(r"\$(\$(?=\{)|\{([^{}]*)\})")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


@dataclass
class Variables:
    """The values of ``${NAME}``: of ``--var`` first, then of the environment, then of the user's settings.

    Attributes:
        given: the values of ``--var``, by name.
        environment: the environment variables; an empty one counts only if the settings have no value.
        settings: returns the user's settings; called only if the others have no value.
        used: the names that were looked up.

    Example:
        >>> Variables(given={"coco": "/data/coco"}).value("coco")
        '/data/coco'
    """

    given: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Callable[[], Mapping[str, str]] = dict
    used: set[str] = field(default_factory=set)

    @classmethod
    def of_process(cls, given: Mapping[str, str] | None = None) -> Variables:
        """Return variables that look in `given`, the process's environment and the file of ``segharness config``."""
        from segharness.user.config import variables

        return cls(given or {}, os.environ, functools.cache(variables))

    def value(self, name: str) -> str | None:
        """Return the value of a variable, or None.

        Raises:
            UsageError: the user's settings cannot be read.
        """
        self.used.add(name)
        if name in self.given:
            return self.given[name]
        return self.environment.get(name) or self.settings().get(name, self.environment.get(name))

    def expand(self, text: str, mark: Mark, problems: list[str]) -> str:
        """Return a text with its variables replaced; ``$${`` becomes ``${``.

        Args:
            text: the text.
            mark: its place, for messages.
            problems: messages; variables without a value are appended, and become empty texts.
        """

        def replace(match: re.Match[str]) -> str:
            if match.group(1) == "$":
                return ""
            inside = _INSIDE.fullmatch(match.group(2))
            if not inside:
                problems.append(f"{mark}: `{match.group(0)}` is not a variable; write ${{NAME}} or ${{NAME:-default}}")
                return ""
            name, default = inside.groups()
            if (value := self.value(name)) is not None:
                return value
            if default is None:
                hint = nearest(name, self.given) if self.given else ""
                problems.append(
                    Missing(
                        coded(
                            "T05",
                            f"{mark}: variable `{name}` has no value{hint}; give `--var {name}=VALUE`, or set it for "
                            f"good: `segharness config set data.{name} DIR`",
                        )
                    )
                )
                return ""
            return default

        return VARIABLE.sub(replace, text.replace("$${", "$\0{")).replace("$\0{", "${")

    def values(self, text: str) -> dict[str, str]:
        """Return ``${NAME}`` by its value, for the variables in a text whose value is not the default beside them."""
        inside = (_INSIDE.fullmatch(match[2] or "") for match in VARIABLE.finditer(text))
        found = {match[1]: (self.value(match[1]), match[2]) for match in inside if match is not None}
        return {value: f"${{{name}}}" for name, (value, default) in found.items() if value not in (None, default)}

    def begins_given(self, text: str) -> bool:
        """Return whether a text begins with a variable whose value is in `given` or the environment."""
        match = VARIABLE.match(text)
        inside = _INSIDE.fullmatch(match.group(2) or "") if match else None
        return inside is not None and (inside.group(1) in self.given or inside.group(1) in self.environment)
