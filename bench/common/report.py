"""What the Python programs of the comparison share: command line, payloads, clock, result line, records that tell their age."""

import argparse
import json
import re
import struct
import time

PATIENCE_SECONDS = 170
# A value of `paced` begins with when it was sent, in nanoseconds, and which one it is.
STAMP = struct.Struct(">QQ")


def arguments(modes):
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=modes)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="bench")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--api", choices=["default", "best"], default="default")
    parser.add_argument("--compression", choices=["none", "lz4"], default="none")
    parser.add_argument("--payloads")
    parser.add_argument("--sizes")
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=60)
    return parser.parse_args()


def payloads(args):
    """The values of the file, or one of the size asked for."""
    if not args.payloads:
        return [b"x" * args.size]
    with open(args.payloads, "rb") as file:
        pool = file.read().removesuffix(b"\n").split(b"\n")
    for number, value in enumerate(pool, 1):
        if len(value) != args.size:
            raise SystemExit(f"{args.payloads}:{number}: {len(value)} bytes instead of {args.size}")
    return pool


def sizes(args):
    """How large each value of `paced` is."""
    with open(args.sizes, encoding="ascii") as file:
        return [int(line) for line in file]


class Plan:
    """When each record of `paced` is due: by the plan and not by the last one, or a late one would slow down all others."""

    def __init__(self, args):
        self.gap = 1 / args.rate
        self.started = time.monotonic()

    def left(self, number):
        """Seconds until record `number` is due, at least 0."""
        return max(0.0, self.started + number * self.gap - time.monotonic())


def stamped(number, size):
    """A value of `size` bytes that says which one it is and that it is sent now."""
    padding = b"x" * (size - STAMP.size)
    return STAMP.pack(time.time_ns(), number) + padding


class Arrivals:
    """What a consumer of `follow` has seen, and how old it was."""

    def __init__(self, args):
        self.sizes = sizes(args)
        self.ages = [-1.0] * len(self.sizes)
        self.left = len(self.sizes)
        self.duplicated = 0
        self.seconds = args.seconds
        self.deadline = None
        self.clock = None

    def ready(self):
        """Says that the topic is being read; what is not there some seconds later is lost."""
        print("ready", flush=True)
        self.deadline = time.monotonic() + self.seconds

    def over(self):
        return not self.left or time.monotonic() > self.deadline

    def see(self, value):
        """Takes a record."""
        now = time.time_ns()
        self.clock = self.clock or Clock()
        sent, number = STAMP.unpack_from(value)
        if number >= len(self.sizes) or len(value) != self.sizes[number] or now < sent:
            raise SystemExit(f"record {number} of {len(value)} bytes, {now - sent} ns old, was never sent")
        if self.ages[number] >= 0:
            self.duplicated += 1
            return
        self.ages[number] = (now - sent) / 1e3
        self.left -= 1

    def report(self, args, client, version, shown):
        """The result line; the clock runs from the first record."""
        clock = self.clock or Clock()
        volume = sum(size for size, age in zip(self.sizes, self.ages) if age >= 0)
        told = {"lost": self.left, "duplicated": self.duplicated, "ages_us": [round(age, 1) for age in self.ages]}
        clock.report(args, client, version, len(self.sizes) - self.left, volume, shown, told)


class Clock:
    """Wall time, and user and system CPU time of the process."""

    def __init__(self):
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def report(self, args, client, version, records, volume, shown, more=None):
        """Ends the timed part and prints the result line."""
        secs = time.perf_counter() - self.wall
        cpu = time.process_time() - self.cpu
        line = {
            "client": client,
            "version": version,
            "mode": args.mode,
            "api": args.api,
            "compression": args.compression,
            "records": records,
            "bytes": volume,
            "secs": round(secs, 4),
            "rec_per_s": round(records / secs, 1),
            "mb_per_s": round(volume / 1e6 / secs, 3),
            "cpu_s": round(cpu, 4),
            "cpu_us_per_rec": round(cpu * 1e6 / max(records, 1), 4),
            "rss_mib": round(peak_kib() / 1024, 1),
            "settings": shown,
        }
        print(json.dumps(line | (more or {})))


def peak_kib():
    """The most memory this process had at once. What getrusage says may be the peak of whoever started it."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])


def percentiles(latencies):
    """The fields of `latency`."""
    ordered = sorted(latencies)
    last = len(ordered) - 1

    def at(percent):
        return int(ordered[min(len(ordered) * percent // 100, last)] * 1e6)

    return {"p50_us": at(50), "p99_us": at(99), "max_us": at(100)}
