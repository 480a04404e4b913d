"""aiokafka's part in the comparison of large messages: acks=all, idempotent.

python bench.py produce --bootstrap H:P --topic T --records N --size S --payloads FILE
python bench.py paced|follow --bootstrap H:P --topic T --sizes FILE --rate R --seconds S

`produce`: send() for every record, then every future is awaited. `paced`: the records of FILE, R of them in a second,
nothing held back. `follow`: getmany() from the beginning, without a group.
"""

import asyncio
import signal
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import report  # noqa: E402

CLIENT = "aiokafka"
METADATA_SECONDS = 10
SETTINGS = {"acks": "all", "enable_idempotence": True, "linger_ms": 0}
POLL_MILLIS = 200


async def connect(args):
    """A producer that knows the topic."""
    producer = AIOKafkaProducer(bootstrap_servers=args.bootstrap, **SETTINGS)
    await producer.start()
    deadline = time.monotonic() + METADATA_SECONDS
    while not await producer.partitions_for(args.topic):
        if time.monotonic() > deadline:
            raise SystemExit(f"topic {args.topic} is unknown")
        await asyncio.sleep(0.1)
    return producer


async def produce(args):
    pool = report.payloads(args)
    producer = await connect(args)
    clock = report.Clock()
    futures = [await producer.send(args.topic, value) for value in islice(cycle(pool), args.records)]
    # Any failure ends the program here.
    await asyncio.gather(*futures)
    shown = SETTINGS | {"result": "future per record"}
    clock.report(args, CLIENT, aiokafka.__version__, args.records, args.records * args.size, shown)
    await producer.stop()


async def paced(args):
    sizes = report.sizes(args)
    producer = await connect(args)
    clock, plan, futures = report.Clock(), report.Plan(args), []
    for number, size in enumerate(sizes):
        await asyncio.sleep(plan.left(number))
        futures.append(await producer.send(args.topic, report.stamped(number, size)))
    await asyncio.gather(*futures)
    clock.report(args, CLIENT, aiokafka.__version__, len(sizes), sum(sizes), dict(SETTINGS))
    await producer.stop()


async def follow(args):
    arrivals = report.Arrivals(args)
    consumer = AIOKafkaConsumer(bootstrap_servers=args.bootstrap, group_id=None)
    await consumer.start()
    partition = TopicPartition(args.topic, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    await consumer.position(partition)
    arrivals.ready()
    while not arrivals.over():
        for records in (await consumer.getmany(timeout_ms=POLL_MILLIS)).values():
            for record in records:
                arrivals.see(record.value)
    arrivals.report(args, CLIENT, aiokafka.__version__, {"call": "getmany()"})
    await consumer.stop()


if __name__ == "__main__":
    signal.alarm(report.PATIENCE_SECONDS)
    modes = {"produce": produce, "paced": paced, "follow": follow}
    arguments = report.arguments(modes)
    asyncio.run(modes[arguments.mode](arguments))
