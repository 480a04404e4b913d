"""A member of a group that writes down what it does, until SIGTERM; for `cargo xtask chaos groups`."""

import signal
import sys
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

# Records of a partition that are taken together, and for how long they are collected.
TOGETHER, COLLECT = 500, 0.1


class Member:
    def __init__(self, flags):
        self.events = open(flags["events"], "w", encoding="ascii")
        self.going = True
        self.uncommitted = {}
        self.collected = {}
        settings = {
            "bootstrap.servers": flags["bootstrap-server"],
            "group.id": flags["group"],
            "group.protocol": flags["protocol"],
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        if flags["protocol"] == "classic":
            settings["session.timeout.ms"] = flags["session-timeout-ms"]
            settings["heartbeat.interval.ms"] = 500
            settings["partition.assignment.strategy"] = flags["assignor"]
        if "instance" in flags:
            settings["group.instance.id"] = flags["instance"]
        self.consumer = Consumer(settings)
        self.consumer.subscribe(
            [flags["topic"]], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost
        )

    def run(self):
        while self.going:
            until = time.monotonic() + COLLECT
            for _ in range(TOGETHER):
                message = self.consumer.poll(max(0.0, until - time.monotonic()))
                if message is None:
                    break
                if message.error():
                    print(message.error(), file=sys.stderr)
                    continue
                partition, offset = (message.topic(), message.partition()), message.offset()
                first, _ = self.collected.get(partition, (offset, offset))
                self.collected[partition] = (first, offset)
            self.finish()
        self.finish()
        self.consumer.close()
        self.say("left")

    def finish(self):
        """Says what was processed since the last time, and commits it."""
        for (topic, partition), (first, last) in self.collected.items():
            self.say(f"processed {topic}:{partition} {first} {last}")
            self.uncommitted[(topic, partition)] = last + 1
        self.collected.clear()
        if not self.uncommitted:
            return
        offsets = [TopicPartition(*partition, offset) for partition, offset in self.uncommitted.items()]
        try:
            done = self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # A rebalance; what goes is committed when it is revoked.
            print(error, file=sys.stderr)
            return
        for one in done:
            if one.error is None:
                self.say(f"committed {one.topic}:{one.partition} {one.offset}")
                self.uncommitted.pop((one.topic, one.partition), None)

    def assigned(self, _, partitions):
        self.say_of("assigned", partitions)

    def revoked(self, _, partitions):
        self.finish()
        self.say_of("revoked", partitions)

    def lost(self, _, partitions):
        for one in partitions:
            self.uncommitted.pop((one.topic, one.partition), None)
            self.collected.pop((one.topic, one.partition), None)
        self.say_of("lost", partitions)

    def say_of(self, what, partitions):
        if partitions:
            self.say(what + " " + ",".join(f"{one.topic}:{one.partition}" for one in partitions))

    def say(self, what):
        self.events.write(f"{time.time_ns() // 1000} {what}\n")
        self.events.flush()

    def stop(self, *_):
        self.going = False


def main():
    arguments = sys.argv[1:]
    member = Member({name[2:]: value for name, value in zip(arguments[::2], arguments[1::2])})
    signal.signal(signal.SIGTERM, member.stop)
    member.run()


main()
