"""kafka-python through every scenario: python kafka_python.py BOOTSTRAP [SCENARIO…]"""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, OffsetSpec
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import TopicAlreadyExistsError

import groups
import scenario
from groups import numbered
from scenario import CODECS, PARTITIONS, Deadline, becomes, check, equal, samples, same_records, unique


def producer(bootstrap, **settings):
    return KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, delivery_timeout_ms=40000, **settings)


def consumer(bootstrap, group=None, **settings):
    return KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest",
        metadata_max_age_ms=1000, **settings,
    )


def create(bootstrap, topic, partitions=PARTITIONS):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    made = {topic: {"num_partitions": partitions, "replication_factor": 1}}
    admin.create_topics(made, wait_for_metadata=True)
    return admin


def send(client, topic, records):
    """Produces and waits until every record is acknowledged."""
    sent = [
        client.send(topic, value, key, headers or None, partition) for partition, key, value, headers in records
    ]
    client.flush(20)
    for future in sent:
        future.get(0.1)


def fields(record):
    return record.partition, record.key, record.value, list(record.headers)


def read(bootstrap, topic, count, partitions=PARTITIONS, **settings):
    """Everything in the topic; `count` records must come, and no more."""
    reader = consumer(bootstrap, **settings)
    all_of_it = [TopicPartition(topic, partition) for partition in range(partitions)]
    reader.assign(all_of_it)
    ends = reader.end_offsets(all_of_it)
    found, deadline = [], Deadline(f"{count} records")
    while any(reader.position(partition) < ends[partition] for partition in all_of_it):
        deadline.check(f"after {len(found)}")
        for records in reader.poll(100).values():
            found += map(fields, records)
    reader.close()
    equal(len(found), count, "records read")
    return found


def codecs(bootstrap):
    used, expected = [], samples(null_headers=False)
    for codec in CODECS:
        topic = unique(f"kafka-python-{codec}")
        create(bootstrap, topic).close()
        client = producer(bootstrap, compression_type=None if codec == "none" else codec)
        send(client, topic, expected)
        client.close()
        same_records(read(bootstrap, topic, len(expected)), expected, codec)
        used.append(f"{codec}={topic}")
    return " ".join(used)


def idempotent(bootstrap):
    topic, records = unique("kafka-python-idempotent"), numbered(0, 1000, PARTITIONS)
    create(bootstrap, topic)
    send(producer(bootstrap, enable_idempotence=True, batch_size=300), topic, records)
    same_records(read(bootstrap, topic, len(records)), records, "idempotent")


class Note(ConsumerRebalanceListener):
    """Counts assignments."""

    def __init__(self, assigned):
        self.assigned = assigned

    def on_partitions_assigned(self, assigned):
        self.assigned.append(assigned)

    def on_partitions_revoked(self, revoked):
        pass


class Member:
    """One consumer of a group."""

    def __init__(self, bootstrap, name, topic, listener=None, **settings):
        self.client = consumer(bootstrap, name, **settings)
        # kafka-python 3.0 that joins before it knows the topic joins again when it does; a poll that ends just then loses
        # the assignment for good, with any broker.
        self.client.partitions_for_topic(topic)
        self.client.subscribe([topic], listener=listener)

    def poll(self):
        return [fields(record) for records in self.client.poll(100).values() for record in records]

    def owned(self):
        return [partition.partition for partition in self.client.assignment()]

    def commit(self):
        self.client.commit()

    def close(self):
        self.client.close()


def group(bootstrap):
    topic, name = unique("kafka-python-group"), unique("kafka-python-group")
    create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)
    groups.group(lambda: Member(bootstrap, name, topic), lambda records: send(source, topic, records))


def static(bootstrap):
    topic, name, assigned = unique("kafka-python-static"), unique("kafka-python-static"), []
    create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)

    def join(instance):
        listener = Note(assigned) if instance == "two" else None
        return Member(bootstrap, name, topic, listener, group_instance_id=instance, session_timeout_ms=20000)

    groups.static(join, lambda records: send(source, topic, records), lambda: len(assigned))


def transactions(bootstrap):
    topic, source, identity = unique("kafka-python-txn"), unique("kafka-python-txn"), unique("kafka-python-txn")
    create(bootstrap, topic)
    create(bootstrap, source, 1)
    client = producer(bootstrap, transactional_id=identity)
    client.init_transactions()
    for start, commit in ((0, True), (10, False), (20, True), (30, False)):
        client.begin_transaction()
        send(client, topic, numbered(start, 10, PARTITIONS))
        client.commit_transaction() if commit else client.abort_transaction()
    offsets_in_transaction(bootstrap, client, source)
    committed = numbered(0, 10, PARTITIONS) + numbered(20, 10, PARTITIONS)
    same_records(read(bootstrap, topic, 20, isolation_level="read_committed"), committed, "read_committed")
    found = read(bootstrap, topic, 40, isolation_level="read_uncommitted")
    same_records(found, numbered(0, 40, PARTITIONS), "read_uncommitted")
    fenced(bootstrap, client, identity, topic)


def offsets_in_transaction(bootstrap, client, source):
    """Offsets sent in an aborted transaction are void, in a committed one they count."""
    member = Member(bootstrap, unique("kafka-python-txn"), source)
    groups.settle([member], [], 1)
    partition = TopicPartition(source, 0)
    for offset, commit in ((3, True), (5, False)):
        client.begin_transaction()
        position = {partition: OffsetAndMetadata(offset, "", -1)}
        client.send_offsets_to_transaction(position, member.client.group_metadata())
        client.commit_transaction() if commit else client.abort_transaction()
        becomes(lambda: member.client.committed(partition), 3, "offset committed in a transaction")
    member.close()


def fenced(bootstrap, old, identity, topic):
    """A second producer of the same name shuts the first one out."""
    old.begin_transaction()
    producer(bootstrap, transactional_id=identity).init_transactions()
    try:
        send(old, topic, numbered(40, 1, PARTITIONS))
        old.commit_transaction()
    except Exception:
        return
    check(False, "a fenced producer could commit")


def partitions_of(client, topic):
    described = client.describe_topics([topic])[0]
    return len(described["partitions"])


def admin(bootstrap):
    topic = unique("kafka-python-admin")
    client = KafkaAdminClient(bootstrap_servers=bootstrap)
    made = {topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "3600000"}}}
    client.create_topics(made, wait_for_metadata=True)
    try:
        client.create_topics(made)
        check(False, "created twice")
    except TopicAlreadyExistsError:
        pass
    equal(partitions_of(client, topic), 2, "partitions")
    client.create_partitions({topic: 4})
    deadline = Deadline("4 partitions")
    while partitions_of(client, topic) != 4:
        deadline.check()
        time.sleep(0.1)
    configs(client, topic)
    send(producer(bootstrap), topic, numbered(0, 40, 4))
    group_admin(bootstrap, client, topic)
    partition = TopicPartition(topic, 0)
    equal(client.delete_records({partition: 4})[partition]["low_watermark"], 4, "low watermark")
    equal(client.list_partition_offsets({partition: OffsetSpec.EARLIEST})[partition].offset, 4, "earliest offset")
    check(client.describe_cluster()["brokers"], "no broker in the cluster")
    client.delete_topics([topic])
    deadline = Deadline("the end of the topic")
    while topic in client.list_topics():
        deadline.check()
        time.sleep(0.1)


def configs(client, topic):
    def described(name):
        found = client.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
        return found["topic"][topic][name]["value"]

    def alter(name, change, expected):
        client.alter_configs([ConfigResource("TOPIC", topic, {name: change})])
        deadline = Deadline(f"{name}={expected}")
        while described(name) != expected:
            deadline.check(f"with {described(name)}")
            time.sleep(0.1)

    equal(described("retention.ms"), "3600000", "retention.ms")
    alter("retention.ms", (AlterConfigOp.SET, "7200000"), "7200000")
    alter("retention.ms", (AlterConfigOp.DELETE, None), "604800000")
    alter("cleanup.policy", (AlterConfigOp.APPEND, "compact"), "delete,compact")
    alter("cleanup.policy", (AlterConfigOp.SUBTRACT, "compact"), "delete")


def group_admin(bootstrap, client, topic):
    name = unique("kafka-python-admin")
    member = Member(bootstrap, name, topic)
    groups.settle([member], [], 4)
    partition = TopicPartition(topic, 1)
    member.client.commit({partition: OffsetAndMetadata(7, "note", -1)})
    described = client.describe_groups([name])[name]
    equal((described["group_state"], len(described["members"])), ("Stable", 1), "group")
    member.close()
    listed = lambda: [group["group_id"] for group in client.list_groups()]
    check(name in listed(), "the group is not listed")
    found = client.list_group_offsets({name: None})[name]
    equal([(tp.partition, at.offset, at.metadata) for tp, at in found.items()], [(1, 7, "note")], "offsets")
    client.delete_groups([name])
    check(name not in listed(), "the group is still listed")


def timestamps(bootstrap):
    topic, start = unique("kafka-python-time"), int(time.time() * 1000) - 100_000
    client, partition = create(bootstrap, topic, 1), TopicPartition(topic, 0)
    source = producer(bootstrap)
    for number in range(10):
        source.send(topic, b"%d" % number, timestamp_ms=start + number * 1000)
    source.flush(20)
    reader = consumer(bootstrap)
    for moment, expected in ((0, 0), (3000, 3), (3001, 4), (9000, 9)):
        found = reader.offsets_for_times({partition: start + moment})[partition]
        equal((found.offset, found.timestamp), (expected, start + expected * 1000), f"offset at {moment}")
    equal(reader.offsets_for_times({partition: start + 9001})[partition], None, "offset after the last")
    reader.close()
    for spec, expected in ((OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 10), (OffsetSpec.MAX_TIMESTAMP, 9)):
        equal(client.list_partition_offsets({partition: spec})[partition].offset, expected, f"{spec}")


scenario.main({
    "codecs": codecs,
    "idempotent": idempotent,
    "group": group,
    "static": static,
    "cooperative": "two members of kafka-python 3.0 rebalance without end, with any broker",
    "consumer-protocol": "kafka-python 3.0 does not have it",
    "share": "kafka-python 3.0 does not have it",
    "transactions": transactions,
    "admin": admin,
    "timestamps": timestamps,
})
