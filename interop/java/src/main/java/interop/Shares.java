package interop;

import static interop.Scenario.check;
import static interop.Scenario.equal;
import static interop.Scenario.numbered;
import static interop.Scenario.unique;

import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Share groups (KIP-932): two members process every record once, but for what they give back. */
final class Shares {
    private static final int COUNT = 60;
    private static final int REJECTED = 7;

    private final Set<Integer> accepted = new HashSet<>();
    private final Map<Integer, Integer> deliveries = new HashMap<>();

    private Shares() {}

    static String run(String bootstrap) throws Exception {
        String name = unique("share");
        Clients.create(bootstrap, name, Scenario.PARTITIONS);
        try (Admin admin = Clients.admin(bootstrap); var producer = Clients.producer(bootstrap)) {
            var earliest = new AlterConfigOp(
                new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET);
            var group = new ConfigResource(ConfigResource.Type.GROUP, name);
            admin.incrementalAlterConfigs(Map.of(group, List.of(earliest))).all().get();
            Clients.send(producer, name, numbered(0, COUNT, Scenario.PARTITIONS));
            new Shares().process(bootstrap, name, admin);
            after(admin, name);
        }
        return "";
    }

    private static KafkaShareConsumer<byte[], byte[]> member(String bootstrap, String name) {
        Properties settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", bootstrap, "group.id", name,
            "share.acknowledgement.mode", "explicit", "max.poll.records", "10"));
        var member = new KafkaShareConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        member.subscribe(List.of(name));
        return member;
    }

    private void process(String bootstrap, String name, Admin admin) throws Exception {
        try (var one = member(bootstrap, name); var two = member(bootstrap, name)) {
            Scenario.until("all records", () -> {
                poll(one);
                poll(two);
                return accepted.size() == COUNT - 1;
            });
            var described = admin.describeShareGroups(List.of(name)).all().get().get(name);
            equal(described.members().size(), 2, "members of the group");
        }
        for (int number = 0; number < COUNT; number++) {
            boolean again = number % 10 == 0;
            int times = deliveries.getOrDefault(number, 0);
            check(again ? times >= 2 : times >= 1, number + " was delivered " + times + " times");
        }
        check(!accepted.contains(REJECTED), "what was rejected came again");
    }

    private void poll(KafkaShareConsumer<byte[], byte[]> member) {
        for (ConsumerRecord<byte[], byte[]> record : member.poll(Duration.ofMillis(200))) {
            int number = Scenario.number(Clients.sample(record));
            int delivery = record.deliveryCount().orElseThrow();
            deliveries.merge(number, delivery, Math::max);
            if (number == REJECTED) {
                member.acknowledge(record, AcknowledgeType.REJECT);
            } else if (number % 10 == 0 && delivery == 1) {
                member.acknowledge(record, AcknowledgeType.RELEASE);
            } else {
                member.acknowledge(record, AcknowledgeType.ACCEPT);
                check(accepted.add(number), number + " came again after it was accepted");
            }
        }
        member.commitSync().forEach((partition, error) -> error.ifPresent(e -> {
            throw e;
        }));
    }

    /** The group has read everything, and goes when it is told to. */
    private static void after(Admin admin, String name) throws Exception {
        var asked = Map.of(name, new ListShareGroupOffsetsSpec());
        var found = admin.listShareGroupOffsets(asked).partitionsToOffsetInfo(name).get();
        for (int partition : IntStream.range(0, Scenario.PARTITIONS).toArray()) {
            var offset = found.get(new TopicPartition(name, partition));
            // The start offset may be behind: Kafka moves it with the next acknowledgement.
            equal(offset.lag().orElse(-1L), 0L, "lag");
        }
        admin.alterShareGroupOffsets(name, Map.of(new TopicPartition(name, 0), 5L)).all().get();
        found = admin.listShareGroupOffsets(asked).partitionsToOffsetInfo(name).get();
        equal(found.get(new TopicPartition(name, 0)).startOffset(), 5L, "start offset that was set");
        admin.deleteShareGroupOffsets(name, Set.of(name)).all().get();
        admin.deleteShareGroups(List.of(name)).all().get();
        boolean listed = admin.listGroups().all().get().stream().anyMatch(group -> group.groupId().equals(name));
        check(!listed, "the group is still listed");
    }
}
