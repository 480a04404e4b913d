"""What the Python programs share: the records every client must carry, and how scenarios run and report.

A program is called with BOOTSTRAP and the names of scenarios, and prints one line of JSON for each: `ok` is true,
false, or null when the client has no such feature; `detail` says what was seen or why not.
"""

import json
import sys
import time
import traceback
import uuid

# Less than what the caller grants, so that a slow scenario still says where it was.
PATIENCE = 25.0
PARTITIONS = 3
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


class Wrong(Exception):
    """The broker did not do what it should."""


def check(holds, message):
    if not holds:
        raise Wrong(message)


def equal(found, expected, what):
    check(found == expected, f"{what}: {found!r:.300} instead of {expected!r:.300}")


def samples(null_headers=True):
    """(partition, key, value, headers): null and empty, text and bytes, small and large."""
    every_byte = bytes(range(256))
    parts = [
        (b"key", b"value", []),
        (None, b"no key", []),
        (b"tombstone", None, []),
        (b"", b"", []),
        (None, b"", [("one", b"1")]),
        (b"\xff\x00\xfe", every_byte, []),
        (b"headers", b"v", [("a", b"1"), ("a", b"2"), ("null", None if null_headers else b"0"), ("empty", b""), ("bytes", every_byte)]),
        ("schlüssel".encode(), "wert ✓".encode(), [("name ü", "ü".encode())]),
        (b"large", b"0123456789abcdef" * 6400, []),
    ]
    small = [(b"n%d" % n, b"a value that repeats itself %d" % n, []) for n in range(90)]
    return [(n % PARTITIONS, *part) for n, part in enumerate(parts + small)]


def by_partition(records):
    """Only the order within a partition is promised."""
    found = {}
    for partition, *record in records:
        found.setdefault(partition, []).append(tuple(record))
    return found


def same_records(found, expected, what):
    found, expected = by_partition(found), by_partition(expected)
    for partition in sorted(found.keys() | expected.keys()):
        got, wanted = found.get(partition, []), expected.get(partition, [])
        equal(len(got), len(wanted), f"{what}: records in partition {partition}")
        for number, pair in enumerate(zip(got, wanted)):
            equal(*pair, f"{what}: record {number} of partition {partition}")


def unique(what):
    return f"interop-{what}-{uuid.uuid4().hex[:8]}"


class Deadline:
    """Turns a wait without end into an error that says what was waited for."""

    def __init__(self, what, seconds=PATIENCE):
        self.what, self.end = what, time.monotonic() + seconds

    def check(self, state=""):
        check(time.monotonic() < self.end, f"waited too long for {self.what} {state}")


def becomes(read, expected, what):
    """What was committed may show a moment later: a transaction has ended before its offsets are put in place."""
    deadline = Deadline(what)
    while (found := read()) != expected:
        deadline.check(f"with {found!r:.300} instead of {expected!r:.300}")
        time.sleep(0.02)


def say(name, ok, detail):
    print(json.dumps({"scenario": name, "ok": ok, "detail": detail}), flush=True)


def main(scenarios):
    """Runs what the command line names; `scenarios` maps each name to a function, or to why there is none."""
    bootstrap, *names = sys.argv[1:]
    for name in names or scenarios:
        scenario = scenarios.get(name, "not a scenario of this program")
        if isinstance(scenario, str):
            say(name, None, scenario)
            continue
        try:
            say(name, True, scenario(bootstrap) or "")
        except Exception as error:  # Whatever it is, it is the answer.
            traceback.print_exc()
            say(name, False, f"{type(error).__name__}: {error}")
