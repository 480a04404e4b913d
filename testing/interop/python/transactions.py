"""Writes transactions of several producers through each other and prints what it wrote, a line for each record:
partition, offset, key, value and what became of its transaction (committed, aborted, open), with tabs between them.
A record of no transaction is committed. The topic is made first.

python transactions.py BOOTSTRAP TOPIC PARTITIONS SEED STEPS
"""

import os
import random
import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

PATIENCE = 60
WRITERS = 3
KEYS = 20
LARGE = 400
CODECS = ["zstd", "lz4", "none", "gzip", "snappy"]


class Writer:
    """A producer and the transaction it is in."""

    numbers = iter(range(1 << 62))

    def __init__(self, bootstrap, topic, number, transactional=True):
        settings = {
            "bootstrap.servers": bootstrap,
            "compression.type": CODECS[number % len(CODECS)],
            "batch.size": 2000,
            "linger.ms": 1,
        }
        if transactional:
            settings |= {"transactional.id": f"{topic}-{number}", "transaction.timeout.ms": 600_000}
        self.client, self.topic, self.transactional = Producer(settings), topic, transactional
        self.sent, self.open = [], False
        if transactional:
            self.client.init_transactions(PATIENCE)

    def write(self, partition, count):
        if self.transactional and not self.open:
            self.client.begin_transaction()
            self.open = True
        for number in (next(Writer.numbers) for _ in range(count)):
            key, value = str(number % KEYS), str(number)
            self.client.produce(self.topic, value, key, partition, on_delivery=self.delivered)
        if self.client.flush(PATIENCE):
            raise SystemExit("records without an answer")

    def delivered(self, error, message):
        if error:
            raise SystemExit(str(error))
        key, value = message.key().decode(), message.value().decode()
        self.sent.append((message.partition(), message.offset(), key, value))

    def end(self, commit):
        if self.open:
            (self.client.commit_transaction if commit else self.client.abort_transaction)(PATIENCE)
            self.open = False
            self.tell("committed" if commit else "aborted")

    def tell(self, outcome):
        for fields in self.sent:
            print(*fields, outcome, sep="\t")
        self.sent = []


def step(dice, writer, plain, partitions):
    match dice.randrange(8):
        case 0:
            writer.end(True)
        case 1 | 2:
            writer.end(False)
        case 3:
            plain.write(dice.randrange(partitions), dice.randint(1, 5))
            plain.tell("committed")
        case _:
            writer.write(dice.randrange(partitions), dice.randint(1, 20))


def main(bootstrap, topic, partitions, seed, steps):
    partitions, steps, dice = int(partitions), int(steps), random.Random(int(seed))
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(PATIENCE)
    writers = [Writer(bootstrap, topic, number) for number in range(WRITERS)]
    large = Writer(bootstrap, topic, WRITERS)
    plain = Writer(bootstrap, topic, WRITERS + 1, transactional=False)
    for at in range(steps):
        step(dice, dice.choice(writers), plain, partitions)
        if at % 4 == 0:
            large.write(dice.randrange(partitions), LARGE)
        if at == steps * 3 // 4:
            large.end(False)
    large.end(False)
    for writer in writers[1:]:
        writer.end(dice.random() < 0.5)
    writers[0].write(0, 3)
    for partition in range(partitions):
        plain.write(partition, 5)
    plain.tell("committed")
    writers[0].tell("open")
    sys.stdout.flush()
    # Leaving in good order would abort what is to stay open.
    os._exit(0)


main(*sys.argv[1:])
