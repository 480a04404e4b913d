"""aiokafka through every scenario: python aio_kafka.py BOOTSTRAP [SCENARIO…]"""

import asyncio
import threading
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.structs import OffsetAndMetadata

import groups
import scenario
from groups import numbered
from scenario import CODECS, PARTITIONS, Deadline, becomes, check, equal, samples, same_records, unique

LOOP = asyncio.new_event_loop()


def ask(coroutine):
    """Runs it beside the clients' own tasks, whose heartbeats go on meanwhile."""
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(40)


def started(make, *args, **settings):
    """A client that is connected; it takes the loop it is made in."""

    async def start():
        client = make(*args, **settings)
        await client.start()
        return client

    return ask(start())


def producer(bootstrap, **settings):
    return started(AIOKafkaProducer, bootstrap_servers=bootstrap, linger_ms=20, **settings)


def consumer(bootstrap, *topics, **settings):
    return started(
        AIOKafkaConsumer, *topics, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest",
        metadata_max_age_ms=1000, **settings,
    )


def errors(answer):
    """The error codes in an answer that names each topic with its code."""
    return [error[1] for error in getattr(answer, "topic_errors", None) or answer.topic_error_codes]


def create(bootstrap, topic, partitions=PARTITIONS):
    client = started(AIOKafkaAdminClient, bootstrap_servers=bootstrap)
    equal(errors(ask(client.create_topics([NewTopic(topic, partitions, 1)]))), [0], "creation")
    return client


def send(client, topic, records):
    """Produces and waits until every record is acknowledged."""

    async def all_of_it():
        sent = [
            await client.send(topic, value, key, partition, headers=headers)
            for partition, key, value, headers in records
        ]
        await client.flush()
        await asyncio.gather(*sent)

    ask(all_of_it())


def fields(record):
    return record.partition, record.key, record.value, list(record.headers)


def read(bootstrap, topic, count, partitions=PARTITIONS, **settings):
    """Everything in the topic; `count` records must come, and no more."""
    reader = consumer(bootstrap, **settings)
    all_of_it = [TopicPartition(topic, partition) for partition in range(partitions)]
    LOOP.call_soon_threadsafe(reader.assign, all_of_it)
    ends = ask(reader.end_offsets(all_of_it))
    found, deadline = [], Deadline(f"{count} records")
    while any(ask(reader.position(partition)) < ends[partition] for partition in all_of_it):
        deadline.check(f"after {len(found)}")
        for records in ask(reader.getmany(timeout_ms=100)).values():
            found += map(fields, records)
    ask(reader.stop())
    equal(len(found), count, "records read")
    return found


def codecs(bootstrap):
    used = []
    for codec in CODECS:
        topic = unique(f"aiokafka-{codec}")
        create(bootstrap, topic)
        client = producer(bootstrap, compression_type=None if codec == "none" else codec)
        send(client, topic, samples())
        same_records(read(bootstrap, topic, len(samples())), samples(), codec)
        used.append(f"{codec}={topic}")
    return " ".join(used)


def idempotent(bootstrap):
    topic, records = unique("aiokafka-idempotent"), numbered(0, 1000, PARTITIONS)
    create(bootstrap, topic)
    send(producer(bootstrap, enable_idempotence=True, max_batch_size=300), topic, records)
    same_records(read(bootstrap, topic, len(records)), records, "idempotent")


class Note(ConsumerRebalanceListener):
    """Counts assignments."""

    def __init__(self):
        self.assigned = 0

    def on_partitions_assigned(self, assigned):
        self.assigned += 1

    def on_partitions_revoked(self, revoked):
        pass


class Member:
    """One consumer of a group."""

    def __init__(self, bootstrap, name, topic, listener=None, **settings):
        self.client = started(
            AIOKafkaConsumer, bootstrap_servers=bootstrap, group_id=name, enable_auto_commit=False,
            auto_offset_reset="earliest", metadata_max_age_ms=1000, heartbeat_interval_ms=300, **settings,
        )

        async def subscribe():
            self.client.subscribe([topic], listener=listener)

        ask(subscribe())

    def poll(self):
        found = ask(self.client.getmany(timeout_ms=100))
        return [fields(record) for records in found.values() for record in records]

    def owned(self):
        return [partition.partition for partition in self.client.assignment()]

    def commit(self):
        ask(self.client.commit())

    def close(self):
        ask(self.client.stop())


def group(bootstrap):
    topic, name = unique("aiokafka-group"), unique("aiokafka-group")
    create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)
    groups.group(lambda: Member(bootstrap, name, topic), lambda records: send(source, topic, records))


def static(bootstrap):
    topic, name, note = unique("aiokafka-static"), unique("aiokafka-static"), Note()
    create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)

    def join(instance):
        listener = note if instance == "two" else None
        return Member(bootstrap, name, topic, listener, group_instance_id=instance, session_timeout_ms=20000)

    groups.static(join, lambda records: send(source, topic, records), lambda: note.assigned)


def transactions(bootstrap):
    topic, source, identity = unique("aiokafka-txn"), unique("aiokafka-txn"), unique("aiokafka-txn")
    create(bootstrap, topic)
    create(bootstrap, source, 1)
    client = producer(bootstrap, transactional_id=identity)
    for start, commit in ((0, True), (10, False), (20, True), (30, False)):
        ask(client.begin_transaction())
        send(client, topic, numbered(start, 10, PARTITIONS))
        ask(client.commit_transaction() if commit else client.abort_transaction())
    offsets_in_transaction(bootstrap, client, source)
    committed = numbered(0, 10, PARTITIONS) + numbered(20, 10, PARTITIONS)
    same_records(read(bootstrap, topic, 20, isolation_level="read_committed"), committed, "read_committed")
    found = read(bootstrap, topic, 40, isolation_level="read_uncommitted")
    same_records(found, numbered(0, 40, PARTITIONS), "read_uncommitted")
    fenced(bootstrap, client, identity, topic)


def offsets_in_transaction(bootstrap, client, source):
    """Offsets sent in an aborted transaction are void, in a committed one they count."""
    name, partition = unique("aiokafka-txn"), TopicPartition(source, 0)
    for offset, commit in ((3, True), (5, False)):
        ask(client.begin_transaction())
        ask(client.send_offsets_to_transaction({partition: OffsetAndMetadata(offset, "")}, name))
        ask(client.commit_transaction() if commit else client.abort_transaction())
        member = consumer(bootstrap, group_id=name)
        becomes(lambda: ask(member.committed(partition)), 3, "offset committed in a transaction")
        ask(member.stop())


def fenced(bootstrap, old, identity, topic):
    """A second producer of the same name shuts the first one out."""
    ask(old.begin_transaction())
    producer(bootstrap, transactional_id=identity)
    try:
        send(old, topic, numbered(40, 1, PARTITIONS))
        ask(old.commit_transaction())
    except Exception:
        return
    check(False, "a fenced producer could commit")


def admin(bootstrap):
    topic = unique("aiokafka-admin")
    client = started(AIOKafkaAdminClient, bootstrap_servers=bootstrap)
    made = NewTopic(topic, 2, 1, topic_configs={"retention.ms": "3600000"})
    equal(errors(ask(client.create_topics([made]))), [0], "creation")
    equal(errors(ask(client.create_topics([made]))), [36], "second creation")
    wait_partitions(client, topic, 2)
    ask(client.create_partitions({topic: NewPartitions(4)}))
    wait_partitions(client, topic, 4)
    configs(client, topic)
    send(producer(bootstrap), topic, numbered(0, 40, 4))
    group_admin(bootstrap, client, topic)
    partition = TopicPartition(topic, 0)
    equal(ask(client.delete_records({partition: RecordsToDelete(4)})), {partition: 4}, "low watermark")
    check(ask(client.describe_cluster())["brokers"], "no broker in the cluster")
    equal(errors(ask(client.delete_topics([topic]))), [0], "deletion")
    deadline = Deadline("the end of the topic")
    while topic in ask(client.list_topics()):
        deadline.check()
        time.sleep(0.1)


def wait_partitions(client, topic, count):
    deadline = Deadline(f"{count} partitions")
    while len(ask(client.describe_topics([topic]))[0]["partitions"]) != count:
        deadline.check()
        time.sleep(0.1)


def configs(client, topic):
    def described(name):
        answers = ask(client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
        return {entry[0]: entry[1] for entry in answers[0].resources[0][4]}[name]

    equal(described("retention.ms"), "3600000", "retention.ms")
    change = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "7200000"})
    answers = ask(client.alter_configs([change]))
    equal([resource[0] for resource in answers[0].resources], [0], "change of settings")
    deadline = Deadline("the new setting")
    while described("retention.ms") != "7200000":
        deadline.check()
        time.sleep(0.1)


def group_admin(bootstrap, client, topic):
    name, partition = unique("aiokafka-admin"), TopicPartition(topic, 1)
    member = Member(bootstrap, name, topic)
    groups.settle([member], [], 4)
    ask(member.client.commit({partition: OffsetAndMetadata(7, "note")}))
    described = ask(client.describe_consumer_groups([name]))[0].groups[0]
    equal((described[0], described[1], described[2]), (0, name, "Stable"), "group")
    member.close()
    check(name in [group[0] for group in ask(client.list_consumer_groups())], "the group is not listed")
    found = ask(client.list_consumer_group_offsets(name))
    equal([(tp.partition, at.offset, at.metadata) for tp, at in found.items()], [(1, 7, "note")], "offsets")


def timestamps(bootstrap):
    topic, start = unique("aiokafka-time"), int(time.time() * 1000) - 100_000
    create(bootstrap, topic, 1)
    source, partition = producer(bootstrap), TopicPartition(topic, 0)
    for number in range(10):
        ask(source.send_and_wait(topic, b"%d" % number, timestamp_ms=start + number * 1000))
    reader = consumer(bootstrap)
    for moment, expected in ((0, 0), (3000, 3), (3001, 4), (9000, 9)):
        found = ask(reader.offsets_for_times({partition: start + moment}))[partition]
        equal((found.offset, found.timestamp), (expected, start + expected * 1000), f"offset at {moment}")
    equal(ask(reader.offsets_for_times({partition: start + 9001}))[partition], None, "offset after the last")
    equal(ask(reader.beginning_offsets([partition]))[partition], 0, "first offset")
    equal(ask(reader.end_offsets([partition]))[partition], 10, "end offset")
    ask(reader.stop())


threading.Thread(target=LOOP.run_forever, daemon=True).start()
scenario.main({
    "codecs": codecs,
    "idempotent": idempotent,
    "group": group,
    "static": static,
    "cooperative": "aiokafka 0.14 does not have it",
    "consumer-protocol": "aiokafka 0.14 does not have it",
    "share": "aiokafka 0.14 does not have it",
    "transactions": transactions,
    "admin": admin,
    "timestamps": timestamps,
})
