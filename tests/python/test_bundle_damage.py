"""Damaged and hostile bundles are refused whole."""

import hashlib
import os
import struct

import pytest
from bundling import fill, is_refused
from stratadb import (
    StateError,
    Strata,
)
from support import refused, run, scaled


@pytest.mark.engine
def test_files_that_are_no_bundles(db, file):
    db.kv_put("k", 1)
    for data in (b"", b"x", b"STRATABN", b"\0" * 5000, b"STRATA-BUNDLE-1\n" + b"\0" * 100, os.urandom(3000)):
        file.write_bytes(data)
        is_refused(db, file)


@pytest.mark.engine
def test_a_truncated_bundle(db, file, rng):
    fill(db, rng, 30)
    db.branch_export("default", file)
    data = file.read_bytes()
    for length in {0, 1, 15, 16, 17, len(data) // 2, len(data) - 73, len(data) - 72, len(data) - 1}:
        file.write_bytes(data[:length])
        is_refused(db, file)
    file.write_bytes(data + b"x")
    is_refused(db, file)


@pytest.mark.engine
def test_a_changed_byte_anywhere(db, file, rng):
    fill(db, rng, 10)
    db.branch_export("default", file)
    data = file.read_bytes()
    for at in sorted(rng.sample(range(len(data)), min(len(data), scaled(120)))):
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        file.write_bytes(changed)
        verdict = db.branch_validate_bundle(file)
        assert not verdict["checksums_valid"], at
    is_refused(db, file)


@pytest.mark.engine
def test_a_bundle_of_a_newer_version(db, file):
    db.branch_export("default", file)
    data = bytearray(file.read_bytes())
    data[8] = 2
    file.write_bytes(data)
    with refused(StateError, "format_too_new"):
        db.branch_import(file, name="new")
    assert "newer" in db.branch_validate_bundle(file)["problem"]


def signed(data):
    """The same with the hash over the whole put right."""
    end = len(data) - 40
    return data[:end] + hashlib.sha256(data[:end]).digest() + data[end + 32 :]


@pytest.mark.engine
def test_hostile_totals_and_lengths(db, file):
    db.kv_put("k", "x" * 1000)
    db.branch_export("default", file)
    data = file.read_bytes()
    trailer = len(data) - 72
    for field in range(4):
        for value in (0, 1, 5, 2**31, 2**63, 2**64 - 1):
            if struct.unpack_from("<Q", data, trailer + 8 * field)[0] == value:
                continue
            changed = bytearray(data)
            struct.pack_into("<Q", changed, trailer + 8 * field, value)
            file.write_bytes(signed(bytes(changed)))
            is_refused(db, file)
    for at in (20, 24, 28):  # kind and lengths of the first block
        for value in (0, 7, 2**31, 2**32 - 1):
            changed = bytearray(data)
            struct.pack_into("<I", changed, at, value)
            file.write_bytes(signed(bytes(changed)))
            is_refused(db, file)


@pytest.mark.engine
def test_a_bundle_of_another_process(file):
    script = """
import sys
from stratadb import Strata
db = Strata.cache()
db.kv_put("k", 1)
db.branch_export("default", sys.argv[1])
"""
    run(script, file)
    with Strata.cache() as db:
        assert db.branch_import(file, name="now")["keys_written"] == 1
