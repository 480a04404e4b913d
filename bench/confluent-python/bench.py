"""confluent-kafka's (librdkafka's) part in the comparison: acks=all, idempotent.

python bench.py produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P
                --api default|best --compression none|lz4 --payloads FILE

`default`: produce() and a delivery callback per record. `best`: produce_batch() with a thousand records a call, and the
callback only for records that fail; what flush() no longer holds and nobody complained about is delivered. `consume` reads
without a group: `default` by poll(), `best` by consume(1000) with larger queues.
"""

import argparse
import json
import re
import time
from itertools import cycle, islice

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

CLIENT = "confluent-python"
PATIENCE_SECONDS = 170
METADATA_SECONDS = 10
NOT_YET = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE)
WARM_UP = 200
# Records between two looks at the queue of delivery reports, and records of one produce_batch() call.
AT_ONCE = 1000
# Records larger than this get a larger limit.
LARGE = 100_000
LARGE_LIMIT = 8 << 20
TUNED = {
    "linger.ms": 20,
    "queue.buffering.max.messages": 1_000_000,
    "queue.buffering.max.kbytes": 262_144,
    "batch.num.messages": 100_000,
    "delivery.report.only.error": True,
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["produce", "latency", "consume"])
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--topic", default="bench")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--api", choices=["default", "best"], default="default")
    parser.add_argument("--compression", choices=["none", "lz4"], default="none")
    parser.add_argument("--payloads")
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


def settings(args):
    """What the producer is made with."""
    chosen = {"acks": "all", "enable.idempotence": True}
    if args.compression != "none":
        chosen["compression.type"] = args.compression
    if args.size > LARGE:
        chosen["message.max.bytes"] = max(LARGE_LIMIT, args.size + 1024)
    if args.api == "best":
        chosen |= {"linger.ms": 0} if args.mode == "latency" else TUNED
    return chosen


class Clock:
    """Wall time, and user and system CPU time of the process."""

    def __init__(self):
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def report(self, args, shown, latencies=()):
        """Ends the timed part and prints the result line."""
        secs = time.perf_counter() - self.wall
        cpu = time.process_time() - self.cpu
        volume = args.records * args.size
        line = {
            "client": CLIENT,
            "version": f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})",
            "mode": args.mode,
            "api": args.api,
            "compression": args.compression,
            "records": args.records,
            "bytes": volume,
            "secs": round(secs, 4),
            "rec_per_s": round(args.records / secs, 1),
            "mb_per_s": round(volume / 1e6 / secs, 3),
            "cpu_s": round(cpu, 4),
            "cpu_us_per_rec": round(cpu * 1e6 / args.records, 4),
            "rss_mib": round(peak_kib() / 1024, 1),
            "settings": shown,
        }
        if latencies:
            line |= percentiles(latencies)
        print(json.dumps(line))


def peak_kib():
    """The most memory this process had at once. What getrusage says may be the peak of whoever started it."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read())[1])


def percentiles(latencies):
    ordered = sorted(latencies)
    last = len(ordered) - 1

    def at(percent):
        return int(ordered[min(len(ordered) * percent // 100, last)] * 1e6)

    return {"p50_us": at(50), "p99_us": at(99), "max_us": at(100)}


class Results:
    """Counts delivery reports."""

    def __init__(self):
        self.delivered = 0
        self.failed = 0
        self.first = None

    def __call__(self, error, _message):
        if error is None:
            self.delivered += 1
        else:
            self.failed += 1
            self.first = self.first or error

    def check(self, left, expected):
        """Ends the program unless every record was delivered."""
        if left or self.failed or self.delivered != expected:
            raise SystemExit(
                f"{self.delivered} of {expected} reported delivered, {self.failed} failed ({self.first}), {left} without a result"
            )


def one_by_one(producer, args, pool, results):
    """The plain way: a call and a callback per record."""
    for number, value in enumerate(islice(cycle(pool), args.records)):
        while True:
            try:
                producer.produce(args.topic, value, on_delivery=results)
                break
            except BufferError:
                producer.poll(0.01)
        if number % AT_ONCE == 0:
            producer.poll(0)


def many_at_once(producer, args, pool, results):
    """Slices of the pool, one call each; no slice holds a dictionary twice, because the call marks what it refuses."""
    messages = [{"value": value} for value in pool]
    at = 0
    left = args.records
    while left:
        batch = messages[at : at + min(AT_ONCE, left)]
        at = (at + len(batch)) % len(messages)
        left -= len(batch)
        hand_over(producer, args.topic, batch, results)


def hand_over(producer, topic, batch, results):
    """Repeats what found the queue full."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while batch:
        taken = producer.produce_batch(topic, batch, on_delivery=results)
        producer.poll(0 if taken == len(batch) else 0.01)
        if taken == len(batch):
            return
        batch = [message for message in batch if message.pop("_error", None)]
        if time.monotonic() > deadline:
            raise SystemExit(f"the queue is full for {PATIENCE_SECONDS} s")


def produce(producer, args, pool, shown):
    results = Results()
    best = args.api == "best"
    shown["call"] = f"produce_batch({AT_ONCE})" if best else "produce()"
    shown["result"] = "callback for failures" if best else "callback per record"
    clock = Clock()
    (many_at_once if best else one_by_one)(producer, args, pool, results)
    left = producer.flush(PATIENCE_SECONDS)
    results.check(left, 0 if best else args.records)
    clock.report(args, shown)


def latency(producer, args, pool, shown):
    results = Results()
    latencies = []
    shown["send"] = "produce(), flush()"
    for number, value in enumerate(islice(cycle(pool), args.records + WARM_UP)):
        if number == WARM_UP:
            clock = Clock()
        sent = time.perf_counter()
        producer.produce(args.topic, value, on_delivery=results)
        left = producer.flush(PATIENCE_SECONDS)
        results.check(left, number + 1)
        if number >= WARM_UP:
            latencies.append(time.perf_counter() - sent)
    clock.report(args, shown, latencies)


def ready(producer, topic):
    """Returns when the topic's metadata is loaded; a broker may need a moment to know of a new topic."""
    deadline = time.monotonic() + METADATA_SECONDS
    while error := producer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic].error:
        if error.code() not in NOT_YET or time.monotonic() > deadline:
            raise SystemExit(f"topic {topic}: {error}")
        time.sleep(0.1)


READER = {"group.id": "unused", "enable.auto.commit": False}
TUNED_READER = {
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 262_144,
    "max.partition.fetch.bytes": 5 << 20,
    "fetch.queue.backoff.ms": 2,
}


def polled(consumer, _left):
    """A record, or none."""
    message = consumer.poll(1)
    return [] if message is None else [message]


def many(consumer, left):
    """Up to a thousand records."""
    return consumer.consume(min(AT_ONCE, left), 0.5)


def consume(args):
    """Reads the topic from its beginning."""
    best = args.api == "best"
    chosen = READER | (TUNED_READER if best else {})
    some = many if best else polled
    clock = Clock()
    consumer = Consumer({"bootstrap.servers": args.bootstrap, **chosen})
    consumer.assign([TopicPartition(args.topic, number, OFFSET_BEGINNING) for number in range(args.partitions)])
    records = volume = 0
    while records < args.records:
        for message in some(consumer, args.records - records):
            if message.error():
                raise SystemExit(message.error())
            records += 1
            volume += len(message.value())
    if volume != args.records * args.size:
        raise SystemExit(f"{volume} bytes in {records} records of {args.size}")
    clock.report(args, chosen | {"call": "consume(1000)" if best else "poll()"})


def main():
    args = arguments()
    if args.mode == "consume":
        consume(args)
        return
    pool = payloads(args)
    chosen = settings(args)
    producer = Producer({"bootstrap.servers": args.bootstrap, **chosen})
    ready(producer, args.topic)
    (produce if args.mode == "produce" else latency)(producer, args, pool, dict(chosen))


if __name__ == "__main__":
    main()
