"""The families of named values as one: what has a name, a value, a version and a history.

Tests of isolation and of histories run over all of them; a family joins here.
"""

import stratadb


class Register:
    """Named values of one family, by the names of its calls."""

    def __init__(self, kind, put, get, versioned, delete, names, history):
        self.kind = kind
        self._calls = put, get, versioned, delete, names, history

    def __repr__(self):
        return self.kind

    def _call(self, which, db, *args, **kwargs):
        return getattr(db, self._calls[which])(*args, **kwargs)

    def put(self, db, name, value):
        """Returns the version."""
        return self._call(0, db, name, value)

    def get(self, db, name, **past):
        return self._call(1, db, name, **past)

    def versioned(self, db, name):
        """{"value", "version", "timestamp"} or None."""
        return self._call(2, db, name)

    def delete(self, db, name):
        return self._call(3, db, name)

    def names(self, db, prefix=None):
        """What is there, in order: reads a range."""
        return self._call(4, db, prefix)

    def history(self, db, name):
        return self._call(5, db, name)

    def all(self, db):
        """{name: value}."""
        return {name: self.get(db, name) for name in self.names(db)}


class Documents(Register):
    """Whole documents."""

    def put(self, db, name, value):
        return db.json_set(name, "$", value)

    def delete(self, db, name):
        return db.json_delete(name, "$") == 1


def family(prefix, put="put", of=Register):
    calls = [f"{prefix}_{call}" for call in (put, "get", "get_versioned", "delete", "list", "history")]
    return of(prefix, *calls)


REGISTERS = [
    register
    for register in (family("kv"), family("state", put="set"), family("json", put="set", of=Documents))
    if hasattr(stratadb.Strata, f"{register.kind}_get")
]
