"""kafka-python's part in the comparison of large messages: acks=all, idempotent, with the C checksum it can be installed with.

python bench.py produce --bootstrap H:P --topic T --records N --size S --payloads FILE
python bench.py paced|follow --bootstrap H:P --topic T --sizes FILE --rate R --seconds S

`produce`: send() for every record, then every future is looked at. `paced`: the records of FILE, R of them in a second,
nothing held back. `follow`: poll() from the beginning, without a group.
"""

import signal
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.record import util

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import report  # noqa: E402

CLIENT = "kafka-python"
METADATA_SECONDS = 10
SETTINGS = {"acks": "all", "enable_idempotence": True, "linger_ms": 0}
POLL_MILLIS = 200


def checksum():
    """Which checksum it found: that of its own in Python costs twenty times the rest."""
    return "C" if util.crc32c_c is not None else "Python"


def connect(args):
    """A producer that knows the topic."""
    producer = KafkaProducer(bootstrap_servers=args.bootstrap, **SETTINGS)
    deadline = time.monotonic() + METADATA_SECONDS
    while not producer.partitions_for(args.topic):
        if time.monotonic() > deadline:
            raise SystemExit(f"topic {args.topic} is unknown")
        time.sleep(0.1)
    return producer


def check(futures, expected):
    """Ends the program unless every record was delivered."""
    delivered = sum(future.succeeded() for future in futures)
    if delivered != expected:
        first = next((future.exception for future in futures if not future.succeeded()), None)
        raise SystemExit(f"{delivered} of {expected} delivered, first error: {first}")


def produce(args):
    pool = report.payloads(args)
    producer = connect(args)
    clock = report.Clock()
    futures = [producer.send(args.topic, value) for value in islice(cycle(pool), args.records)]
    producer.flush(report.PATIENCE_SECONDS)
    check(futures, args.records)
    shown = SETTINGS | {"crc32c": checksum(), "result": "future per record"}
    clock.report(args, CLIENT, kafka.__version__, args.records, args.records * args.size, shown)


def paced(args):
    sizes = report.sizes(args)
    producer = connect(args)
    clock, plan, futures = report.Clock(), report.Plan(args), []
    for number, size in enumerate(sizes):
        time.sleep(plan.left(number))
        futures.append(producer.send(args.topic, report.stamped(number, size)))
    producer.flush(report.PATIENCE_SECONDS)
    check(futures, len(sizes))
    shown = SETTINGS | {"crc32c": checksum()}
    clock.report(args, CLIENT, kafka.__version__, len(sizes), sum(sizes), shown)


def follow(args):
    arrivals = report.Arrivals(args)
    consumer = KafkaConsumer(bootstrap_servers=args.bootstrap, group_id=None)
    partition = TopicPartition(args.topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    consumer.position(partition)
    arrivals.ready()
    while not arrivals.over():
        for records in consumer.poll(timeout_ms=POLL_MILLIS).values():
            for record in records:
                arrivals.see(record.value)
    arrivals.report(args, CLIENT, kafka.__version__, {"call": "poll()", "crc32c": checksum()})


if __name__ == "__main__":
    signal.alarm(report.PATIENCE_SECONDS)
    modes = {"produce": produce, "paced": paced, "follow": follow}
    arguments = report.arguments(modes)
    modes[arguments.mode](arguments)
