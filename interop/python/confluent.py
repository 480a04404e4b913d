"""confluent-kafka (librdkafka) through every scenario: python confluent.py BOOTSTRAP [SCENARIO…]"""

import time

from confluent_kafka import (
    Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, Producer, TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType,
)

import groups
import scenario
from groups import numbered
from scenario import CODECS, PARTITIONS, Deadline, check, equal, samples, same_records, unique


def producer(bootstrap, **settings):
    settings = {name.replace("_", "."): value for name, value in settings.items()}
    return Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "message.timeout.ms": 20000, **settings})


def consumer(bootstrap, group, **settings):
    settings = {name.replace("_", "."): value for name, value in settings.items()}
    return Consumer({
        "bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
        "auto.offset.reset": "earliest", "check.crcs": True, "topic.metadata.refresh.interval.ms": 1000, **settings,
    })


def create(bootstrap, topic, partitions=PARTITIONS):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(20)
    return admin


def send(client, topic, records):
    """Produces and waits until every record is acknowledged."""
    failed = []
    delivered = lambda error, _: failed.append(error) if error else None
    for partition, key, value, headers in records:
        client.produce(topic, value, key, partition, delivered, headers=headers or None)
    equal(client.flush(20), 0, "records without an answer")
    check(not failed, f"not delivered: {failed}")


def fields(message):
    return message.partition(), message.key(), message.value(), message.headers() or []


class Member:
    """One consumer of a group."""

    def __init__(self, bootstrap, name, topic, assigned=None, **settings):
        self.client = consumer(bootstrap, name, **settings)
        listen = {"on_assign": assigned} if assigned else {}
        self.client.subscribe([topic], **listen)

    def poll(self):
        messages = self.client.consume(100, 0.1)
        for message in messages:
            if message.error():
                raise KafkaException(message.error())
        return [fields(message) for message in messages]

    def owned(self):
        return [partition.partition for partition in self.client.assignment()]

    def commit(self):
        self.client.commit(asynchronous=False)

    def close(self):
        self.client.close()


def read(bootstrap, topic, count, partitions=PARTITIONS, **settings):
    """Everything in the topic; `count` records must come, and no more."""
    reader = consumer(bootstrap, unique("reader"), enable_partition_eof=True, **settings)
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found, ends, deadline = [], set(), Deadline(f"{count} records")
    while len(ends) < partitions:
        deadline.check(f"after {len(found)}")
        for message in reader.consume(1000, 0.1):
            if not message.error():
                found.append(fields(message))
            elif message.error().name() == "_PARTITION_EOF":
                ends.add(message.partition())
            else:
                raise KafkaException(message.error())
    reader.close()
    equal(len(found), count, "records read")
    return found


def codecs(bootstrap):
    used = []
    for codec in CODECS:
        topic = unique(f"confluent-{codec}")
        create(bootstrap, topic)
        send(producer(bootstrap, compression_type=codec), topic, samples())
        same_records(read(bootstrap, topic, len(samples())), samples(), codec)
        used.append(f"{codec}={topic}")
    return " ".join(used)


def idempotent(bootstrap):
    topic = unique("confluent-idempotent")
    create(bootstrap, topic)
    records = numbered(0, 3000, PARTITIONS)
    send(producer(bootstrap, enable_idempotence=True, batch_num_messages=10), topic, records)
    same_records(read(bootstrap, topic, len(records)), records, "idempotent")


def group(bootstrap, kind="CLASSIC", **settings):
    topic, name = unique("confluent-group"), unique("confluent-group")
    client = create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)
    groups.group(lambda: Member(bootstrap, name, topic, **settings), lambda records: send(source, topic, records))
    listed = client.list_consumer_groups().result(20).valid
    equal([group.type.name for group in listed if group.group_id == name], [kind], "kind of the group")


def cooperative(bootstrap):
    group(bootstrap, partition_assignment_strategy="cooperative-sticky")


def consumer_protocol(bootstrap):
    group(bootstrap, "CONSUMER", group_protocol="consumer")


def static(bootstrap):
    topic, name, assigned = unique("confluent-static"), unique("confluent-static"), []
    create(bootstrap, topic, groups.PARTITIONS)
    source = producer(bootstrap)

    def join(instance):
        note = (lambda *_: assigned.append(instance)) if instance == "two" else None
        return Member(bootstrap, name, topic, note, group_instance_id=instance, session_timeout_ms=20000)

    groups.static(join, lambda records: send(source, topic, records), lambda: len(assigned))


def transactions(bootstrap):
    topic, source, identity = unique("confluent-txn"), unique("confluent-source"), unique("confluent-txn")
    create(bootstrap, topic)
    create(bootstrap, source, 1)
    client = producer(bootstrap, transactional_id=identity)
    client.init_transactions(20)
    for start, commit in ((0, True), (10, False), (20, True), (30, False)):
        client.begin_transaction()
        send(client, topic, numbered(start, 10, PARTITIONS))
        client.commit_transaction(20) if commit else client.abort_transaction(20)
    offsets_in_transaction(bootstrap, client, source)
    committed = numbered(0, 10, PARTITIONS) + numbered(20, 10, PARTITIONS)
    found = read(bootstrap, topic, 20, isolation_level="read_committed")
    same_records(found, committed, "read_committed")
    found = read(bootstrap, topic, 40, isolation_level="read_uncommitted")
    same_records(found, numbered(0, 40, PARTITIONS), "read_uncommitted")
    fenced(bootstrap, client, identity, topic)


def offsets_in_transaction(bootstrap, client, source):
    """Offsets sent in an aborted transaction are void, in a committed one they count."""
    send(producer(bootstrap), source, numbered(0, 5, 1))
    name = unique("confluent-txn")
    member = Member(bootstrap, name, source)
    groups.settle([member], [], 1)
    partition = TopicPartition(source, 0)
    for offset, commit in ((3, True), (5, False)):
        client.begin_transaction()
        position = [TopicPartition(source, 0, offset)]
        client.send_offsets_to_transaction(position, member.client.consumer_group_metadata(), 20)
        client.commit_transaction(20) if commit else client.abort_transaction(20)
        equal(member.client.committed([partition], 20)[0].offset, 3, "offset committed in a transaction")
    member.close()


def fenced(bootstrap, old, identity, topic):
    """A second producer of the same name shuts the first one out."""
    old.begin_transaction()
    new = producer(bootstrap, transactional_id=identity)
    new.init_transactions(20)
    try:
        send(old, topic, numbered(40, 1, PARTITIONS))
        old.commit_transaction(10)
    except Exception:
        return
    check(False, "a fenced producer could commit")


def admin(bootstrap):
    topic = unique("confluent-admin")
    client = AdminClient({"bootstrap.servers": bootstrap})
    made = NewTopic(topic, 2, 1, config={"retention.ms": "3600000"})
    client.create_topics([made])[topic].result(20)
    again = client.create_topics([made])[topic].exception(20)
    check(again and again.args[0].name() == "TOPIC_ALREADY_EXISTS", f"created twice: {again!r}")
    equal(len(client.list_topics(topic, 20).topics[topic].partitions), 2, "partitions")
    client.create_partitions([NewPartitions(topic, 4)])[topic].result(20)
    wait_partitions(client, topic, 4)
    configs(client, topic)
    send(producer(bootstrap), topic, numbered(0, 40, 4))
    group_admin(bootstrap, client, topic)
    partition = TopicPartition(topic, 0, 4)
    left = client.delete_records([partition])[partition].result(20)
    equal(left.low_watermark, 4, "low watermark")
    earliest = client.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()})
    equal(next(iter(earliest.values())).result(20).offset, 4, "earliest offset")
    check(client.describe_cluster().result(20).nodes, "no node in the cluster")
    client.delete_topics([topic])[topic].result(20)
    deadline = Deadline("the end of the topic")
    while topic in client.list_topics(timeout=20).topics:
        deadline.check()
        time.sleep(0.1)


def wait_partitions(client, topic, count):
    deadline = Deadline(f"{count} partitions")
    while len(client.list_topics(topic, 20).topics[topic].partitions) != count:
        deadline.check()
        time.sleep(0.1)


def configs(client, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    described = lambda name: client.describe_configs([resource])[resource].result(20)[name]
    equal(described("retention.ms").value, "3600000", "retention.ms")
    resource.incremental_configs = [
        ConfigEntry("retention.ms", "7200000", incremental_operation=AlterConfigOpType.SET),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND),
    ]
    client.incremental_alter_configs([resource])[resource].result(20)
    deadline = Deadline("the new settings")
    while described("retention.ms").value != "7200000":
        deadline.check()
        time.sleep(0.1)
    equal(described("cleanup.policy").value, "delete,compact", "cleanup.policy")
    resource.incremental_configs = [
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
        ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.SUBTRACT),
    ]
    client.incremental_alter_configs([resource])[resource].result(20)
    while described("retention.ms").value == "7200000":
        deadline.check()
        time.sleep(0.1)
    equal(described("cleanup.policy").value, "delete", "cleanup.policy")
    broker = ConfigResource(ResourceType.BROKER, str(client.list_topics(timeout=20).orig_broker_id))
    check(client.describe_configs([broker])[broker].result(20), "no settings of the broker")


def group_admin(bootstrap, client, topic):
    name = unique("confluent-admin")
    member = Member(bootstrap, name, topic)
    groups.settle([member], [], 4)
    member.client.commit(offsets=[TopicPartition(topic, 1, 7, metadata="note")], asynchronous=False)
    described = client.describe_consumer_groups([name])[name].result(20)
    equal((described.state.name, len(described.members)), ("STABLE", 1), "group")
    member.close()
    listed = client.list_consumer_groups().result(20)
    check(name in [group.group_id for group in listed.valid], "the group is not listed")
    offsets = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)])[name].result(20)
    found = [(tp.partition, tp.offset, tp.metadata) for tp in offsets.topic_partitions]
    equal(found, [(1, 7, "note")], "offsets of the group")
    altered = ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 2, 3)])
    client.alter_consumer_group_offsets([altered])[name].result(20)
    client.delete_consumer_groups([name])[name].result(20)
    listed = client.list_consumer_groups().result(20)
    check(name not in [group.group_id for group in listed.valid], "the group is still listed")


def timestamps(bootstrap):
    topic, start = unique("confluent-time"), int(time.time() * 1000) - 100_000
    client = create(bootstrap, topic, 1)
    source = producer(bootstrap)
    for number in range(10):
        source.produce(topic, b"%d" % number, timestamp=start + number * 1000)
    equal(source.flush(20), 0, "records without an answer")
    reader = consumer(bootstrap, unique("reader"))
    for moment, expected in ((0, 0), (3000, 3), (3001, 4), (9000, 9)):
        found = reader.offsets_for_times([TopicPartition(topic, 0, start + moment)], 20)
        equal((found[0].error, found[0].offset), (None, expected), f"offset at {moment}")
    found = reader.offsets_for_times([TopicPartition(topic, 0, start + 9001)], 20)
    equal(found[0].offset, -1, "offset after the last")
    reader.close()
    for spec, expected in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.max_timestamp(), 9)):
        found = client.list_offsets({TopicPartition(topic, 0): spec}, isolation_level=IsolationLevel.READ_COMMITTED)
        equal(next(iter(found.values())).result(20).offset, expected, f"{spec}")


scenario.main({
    "codecs": codecs,
    "idempotent": idempotent,
    "group": group,
    "static": static,
    "cooperative": cooperative,
    "consumer-protocol": consumer_protocol,
    "transactions": transactions,
    "admin": admin,
    "timestamps": timestamps,
})
