"""What a call of the library can raise, besides TypeError for an argument of a wrong type."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar


class StrataError(RuntimeError):
    """The base of all errors of the library.

    `code` is a stable snake_case word to test for, `hint` says what to do and may be empty, `message` names what was
    refused. The page docs/errors.md lists the codes.
    """

    default_code: ClassVar[str] = "error"

    def __init__(self, message: str = "", *, code: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]" + (f" ({self.hint})" if self.hint else "")


class NotFoundError(StrataError):
    """A branch, space or database that does not exist. A missing key is not an error but None."""

    default_code = "not_found"


class ValidationError(StrataError, ValueError):
    """An argument of the right type with a value that is not allowed."""

    default_code = "invalid_value"


class ConflictError(StrataError):
    """Somebody else was first. `current` and `current_version` say what a compare-and-swap found instead."""

    default_code = "conflict"
    current: Any = None
    current_version: int | None = None
    conflicts: Any = ()


class StateError(StrataError):
    """The handle or the database is not in the state for this call."""

    default_code = "wrong_state"


class ConstraintError(StrataError):
    """The call would break a rule that holds between things, such as a name being unique."""

    default_code = "constraint"


class AccessDeniedError(StrataError):
    """Writing through what can only read."""

    default_code = "access_denied"


class IoError(StrataError, OSError):
    """The operating system refused something."""

    default_code = "io_error"


class CorruptionError(StrataError):
    """A file of the database is damaged. The message names the file and the place."""

    default_code = "corruption"
