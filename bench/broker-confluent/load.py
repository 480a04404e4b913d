"""Load for a broker by confluent-kafka (librdkafka), as its documentation introduces it.

python load.py --bootstrap H:P [--records N] [--size S]

Large records, produced one call each with a delivery report each. Like `broker-load` it prints `ready` when everything
up to the measured section is done, waits for a line on standard input (or its end), prints one line of JSON when the
section is over, and waits once more before it looks at the topic and deletes it.
"""

import argparse
import json
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CASE = "confluent"
# A broker that does not answer must not hold up the others.
PATIENCE_SECONDS = 170
REQUEST_SECONDS = 15
WARM_UP = 20


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--size", type=int, default=200_000)
    return parser.parse_args()


def create(admin, topic):
    """Creates the topic and returns when it has a leader."""
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(REQUEST_SECONDS)
    deadline = time.monotonic() + REQUEST_SECONDS
    while True:
        known = admin.list_topics(topic, timeout=REQUEST_SECONDS).topics[topic]
        if not known.error and all(p.leader >= 0 for p in known.partitions.values()):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"topic {topic}: {known.error}")
        time.sleep(0.05)


class Reports:
    """Counts delivery reports."""

    def __init__(self):
        self.delivered = 0
        self.failed = None

    def __call__(self, error, _message):
        if error is None:
            self.delivered += 1
        else:
            self.failed = self.failed or error


def send(producer, topic, value, records):
    """Sends `records` and returns when every one is delivered."""
    reports = Reports()
    for _ in range(records):
        while True:
            try:
                producer.produce(topic, value, on_delivery=reports)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(PATIENCE_SECONDS)
    if left or reports.delivered != records:
        raise SystemExit(f"{reports.delivered} of {records} delivered, first error: {reports.failed}")


def measured(producer, topic, args):
    value = bytes(args.size)
    send(producer, topic, value, WARM_UP)
    print("ready", flush=True)
    sys.stdin.readline()
    wall, cpu = time.perf_counter(), time.process_time()
    send(producer, topic, value, args.records)
    line = {
        "case": CASE,
        "requests": args.records,
        "bytes": args.records * args.size,
        "secs": time.perf_counter() - wall,
        "client_cpu_s": time.process_time() - cpu,
    }
    print(json.dumps(line), flush=True)
    sys.stdin.readline()


def check(bootstrap, topic, records):
    """Ends the program unless the log holds what was delivered."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "load"})
    _, end = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=REQUEST_SECONDS)
    reader.close()
    if end != records:
        raise SystemExit(f"{records} records were delivered, the log ends at {end}")


def main():
    signal.alarm(PATIENCE_SECONDS)
    args = arguments()
    topic = f"load-{CASE}-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": args.bootstrap})
    create(admin, topic)
    measured(Producer({"bootstrap.servers": args.bootstrap}), topic, args)
    check(args.bootstrap, topic, WARM_UP + args.records)
    admin.delete_topics([topic])[topic].result(REQUEST_SECONDS)


if __name__ == "__main__":
    try:
        main()
    except KafkaException as error:
        raise SystemExit(f"load: {error}") from error
