package interop;

import static interop.Scenario.check;
import static interop.Scenario.equal;
import static interop.Scenario.until;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;

/** Topics, settings, groups and records, made, changed and taken away. */
final class Administration implements AutoCloseable {
    private final String bootstrap;
    private final String topic = Scenario.unique("admin");
    private final Admin admin;

    private Administration(String bootstrap) {
        this.bootstrap = bootstrap;
        admin = Clients.admin(bootstrap);
    }

    @Override
    public void close() {
        admin.close();
    }

    static String run(String bootstrap) throws Exception {
        try (Administration administration = new Administration(bootstrap)) {
            administration.topics();
            administration.settings();
            administration.group();
            administration.records();
            administration.end();
        }
        return "";
    }

    private static <T> T done(KafkaFuture<T> future) {
        try {
            return future.get(20, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw new IllegalStateException(error.getCause());
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private void topics() throws Exception {
        NewTopic made = new NewTopic(topic, 2, (short) 1).configs(Map.of("retention.ms", "3600000"));
        done(admin.createTopics(List.of(made)).all());
        try {
            done(admin.createTopics(List.of(made)).all());
            check(false, "created twice");
        } catch (IllegalStateException error) {
            check(error.getCause() instanceof TopicExistsException, "created twice: " + error);
        }
        until("2 partitions", () -> partitions() == 2);
        done(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all());
        until("4 partitions", () -> partitions() == 4);
        check(!done(admin.describeCluster().nodes()).isEmpty(), "no node in the cluster");
    }

    private int partitions() {
        try {
            return done(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size();
        } catch (IllegalStateException unknownYet) {
            return 0;
        }
    }

    private String described(String name) {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return done(admin.describeConfigs(List.of(resource)).all()).get(resource).get(name).value();
    }

    private void alter(OpType how, String name, String value, String expected) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(name, value), how);
        done(admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all());
        until(name + "=" + expected, () -> described(name).equals(expected));
    }

    private void settings() throws Exception {
        equal(described("retention.ms"), "3600000", "retention.ms");
        alter(OpType.SET, "retention.ms", "7200000", "7200000");
        alter(OpType.APPEND, "cleanup.policy", "compact", "delete,compact");
        alter(OpType.SUBTRACT, "cleanup.policy", "compact", "delete");
        alter(OpType.DELETE, "retention.ms", "", "604800000");
    }

    private void group() throws Exception {
        String group = Scenario.unique("admin");
        TopicPartition partition = new TopicPartition(topic, 1);
        OffsetAndMetadata position = new OffsetAndMetadata(7, "note");
        try (Groups.Member member = new Groups.Member(bootstrap, topic, group)) {
            Groups.settle(4, new ArrayList<>(), member);
            member.consumer.commitSync(Map.of(partition, position));
            var described = done(admin.describeConsumerGroups(List.of(group)).all()).get(group);
            equal(described.groupState() + " " + described.members().size(), "Stable 1", "group");
        }
        equal(done(admin.listConsumerGroupOffsets(group).all()).get(group), Map.of(partition, position), "offsets");
        check(listed(group), "the group is not listed");
        done(admin.alterConsumerGroupOffsets(group, Map.of(partition, new OffsetAndMetadata(3))).all());
        done(admin.deleteConsumerGroupOffsets(group, java.util.Set.of(partition)).all());
        equal(done(admin.listConsumerGroupOffsets(group).all()).get(group), Map.of(), "offsets after their deletion");
        done(admin.deleteConsumerGroups(List.of(group)).all());
        check(!listed(group), "the group is still listed");
    }

    private boolean listed(String group) {
        return done(admin.listGroups().all()).stream().anyMatch(one -> one.groupId().equals(group));
    }

    private void records() throws Exception {
        try (var producer = Clients.producer(bootstrap)) {
            Clients.send(producer, topic, Scenario.numbered(0, 40, 4));
        }
        TopicPartition partition = new TopicPartition(topic, 0);
        var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(4)));
        equal(done(deleted.lowWatermarks().get(partition)).lowWatermark(), 4L, "low watermark");
        var earliest = admin.listOffsets(Map.of(partition, OffsetSpec.earliest()));
        equal(done(earliest.partitionResult(partition)).offset(), 4L, "earliest offset");
        check(!done(admin.describeLogDirs(List.of(nodeId())).allDescriptions()).isEmpty(), "no log directory");
        check(!done(admin.describeProducers(List.of(partition)).all()).get(partition).activeProducers().isEmpty(), "no producer");
    }

    private int nodeId() {
        return done(admin.describeCluster().nodes()).iterator().next().id();
    }

    private void end() throws Exception {
        done(admin.deleteTopics(List.of(topic)).all());
        until("the end of the topic", () -> !done(admin.listTopics().names()).contains(topic));
    }
}
