"""Prints every record of a topic, partition by partition, as one line of tab-separated fields:
partition, offset, timestamp, key, value, headers. Bytes are in Base64, `-` is null, headers are
`name=value` separated by commas.

python dump.py BOOTSTRAP TOPIC
"""

import base64
import sys

from confluent_kafka import Consumer, TopicPartition

PATIENCE = 60.0


def text(data):
    return "-" if data is None else base64.b64encode(data).decode("ascii")


def line(message):
    headers = ",".join(f"{name}={text(value)}" for name, value in message.headers() or [])
    fields = (
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        text(message.key()),
        text(message.value()),
        headers,
    )
    return "\t".join(str(field) for field in fields)


def dump(consumer, topic, partition):
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=PATIENCE)
    consumer.assign([TopicPartition(topic, partition, 0)])
    following = 0
    while following < end:
        messages = consumer.consume(10_000, timeout=5.0)
        if not messages:
            raise SystemExit(f"partition {partition} has stalled at {following} before {end}")
        for message in messages:
            if message.error():
                raise SystemExit(str(message.error()))
            following = message.offset() + 1
            print(line(message))


def main(bootstrap, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "dump",
            "enable.auto.commit": False,
            "check.crcs": True,
            "auto.offset.reset": "error",
        }
    )
    partitions = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
    for partition in sorted(partitions):
        dump(consumer, topic, partition)
    consumer.close()


main(*sys.argv[1:])
