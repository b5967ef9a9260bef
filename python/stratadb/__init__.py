"""StrataDB: an embedded database with branches, versions and history, for the state of AI agents.

>>> from stratadb import Strata
>>> db = Strata.cache()
>>> db.kv_put("greeting", "Hello, World!")
1
>>> db.kv_get("greeting")
'Hello, World!'
"""

from stratadb.errors import (
    AccessDeniedError,
    ConflictError,
    ConstraintError,
    CorruptionError,
    IoError,
    NotFoundError,
    StateError,
    StrataError,
    ValidationError,
)

# After the errors, which the compiled module looks up when it is loaded.
from stratadb._native import __version__  # isort: skip
from stratadb._handle import Strata  # isort: skip

__all__ = [
    "AccessDeniedError",
    "ConflictError",
    "ConstraintError",
    "CorruptionError",
    "IoError",
    "NotFoundError",
    "StateError",
    "Strata",
    "StrataError",
    "ValidationError",
    "__version__",
]
