"""confluent-kafka's (librdkafka's) part in the comparison: acks=all, idempotent.

python bench.py produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P
                --api default|best --compression none|lz4 --payloads FILE
python bench.py paced|follow --bootstrap H:P --topic T --sizes FILE --rate R --seconds S

`default`: produce() and a delivery callback per record. `best`: produce_batch() with a thousand records a call, and the
callback only for records that fail; what flush() no longer holds and nobody complained about is delivered. `consume` reads
without a group: `default` by poll(), `best` by consume(1000) with larger queues. `paced`: the records of FILE, R of them
in a second, nothing held back; `follow` reads them by poll().
"""

import signal
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
from report import PATIENCE_SECONDS, Arrivals, Clock, Plan, arguments, payloads, percentiles, sizes, stamped  # noqa: E402

CLIENT = "confluent-python"
METADATA_SECONDS = 10
# librdkafka asks for its producer id up to half a second after it is connected, and tells nobody when it has one.
PRODUCER_ID_SECONDS = 1
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


def report(clock, args, shown, more=None):
    """The result line of a run with values of one size."""
    clock.report(args, CLIENT, version(), args.records, args.records * args.size, shown, more)


def version():
    return f"{confluent_kafka.__version__} (librdkafka {confluent_kafka.libversion()[0]})"


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
    report(clock, args, shown)


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
    report(clock, args, shown, percentiles(latencies))


def ready(producer, topic):
    """Returns when the topic's metadata is loaded and the producer can send; a broker may need a moment to know of a new topic."""
    deadline = time.monotonic() + METADATA_SECONDS
    while error := producer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic].error:
        if error.code() not in NOT_YET or time.monotonic() > deadline:
            raise SystemExit(f"topic {topic}: {error}")
        time.sleep(0.1)
    producer.poll(PRODUCER_ID_SECONDS)


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
    report(clock, args, chosen | {"call": "consume(1000)" if best else "poll()"})


PACED = {"acks": "all", "enable.idempotence": True, "linger.ms": 0}
POLL_SECONDS = 0.2


def paced(args):
    """Large records at a steady rate."""
    planned = sizes(args)
    producer = Producer({"bootstrap.servers": args.bootstrap, **PACED})
    ready(producer, args.topic)
    clock, plan, results = Clock(), Plan(args), Results()
    for number, size in enumerate(planned):
        time.sleep(plan.left(number))
        producer.produce(args.topic, stamped(number, size), on_delivery=results)
        producer.poll(0)
    results.check(producer.flush(PATIENCE_SECONDS), len(planned))
    clock.report(args, CLIENT, version(), len(planned), sum(planned), PACED)


def follow(args):
    """Reads what `paced` sends, as it comes."""
    arrivals = Arrivals(args)
    consumer = Consumer({"bootstrap.servers": args.bootstrap, **READER})
    start = TopicPartition(args.topic, 0, OFFSET_BEGINNING)
    consumer.get_watermark_offsets(start, timeout=METADATA_SECONDS)
    consumer.assign([start])
    arrivals.ready()
    while not arrivals.over():
        message = consumer.poll(POLL_SECONDS)
        if message is None:
            continue
        if message.error():
            raise SystemExit(message.error())
        arrivals.see(message.value())
    arrivals.report(args, CLIENT, version(), READER | {"call": "poll()"})


def send(args):
    pool = payloads(args)
    chosen = settings(args)
    producer = Producer({"bootstrap.servers": args.bootstrap, **chosen})
    ready(producer, args.topic)
    (produce if args.mode == "produce" else latency)(producer, args, pool, dict(chosen))


if __name__ == "__main__":
    signal.alarm(PATIENCE_SECONDS)
    modes = {"produce": send, "latency": send, "consume": consume, "paced": paced, "follow": follow}
    asked = arguments(modes)
    modes[asked.mode](asked)
