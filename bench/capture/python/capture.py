"""Produces the records of a list in one idempotent batch with librdkafka.

python capture.py BOOTSTRAP TOPIC CODEC RECORDS
"""

import re
import sys

from confluent_kafka import Producer

EPOCH = 1_700_000_000_000
FLUSH_SECONDS = 60


def field(text):
    kind, rest = text[0], text[1:]
    if kind == "-":
        return None
    if kind == "*":
        return bytes(i % 251 for i in range(int(rest)))
    return rest.encode()


def header(text):
    name, value = re.fullmatch(r"([^-=*]*)(.*)", text).groups()
    return name, field(value)


def records(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#"):
                delta, key, value, *headers = line.rstrip("\n").split("\t")
                headers = [header(h) for h in headers[0].split(" ")] if headers else None
                yield EPOCH + int(delta), field(key), field(value), headers


def delivered(error, message):
    if error:
        raise SystemExit(str(error))
    print(message.offset())


def main(bootstrap, topic, codec, path):
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "client.id": "capture",
            "compression.type": codec,
            "enable.idempotence": True,
            "acks": "all",
            # Nothing leaves before the flush.
            "linger.ms": 10_000,
            "request.timeout.ms": 30_000,
            "message.timeout.ms": 60_000,
        }
    )
    # Without this the flush would begin before the partition is known.
    producer.list_topics(topic, timeout=FLUSH_SECONDS)
    for timestamp, key, value, headers in records(path):
        producer.produce(
            topic,
            key=key,
            value=value,
            partition=0,
            timestamp=timestamp,
            headers=headers,
            on_delivery=delivered,
        )
    if producer.flush(FLUSH_SECONDS):
        raise SystemExit("not everything was delivered")


main(*sys.argv[1:])
