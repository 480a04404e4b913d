package interop;

import java.io.FileWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group that writes down what it does, until SIGTERM; for {@code cargo xtask chaos groups}. */
public final class Member implements ConsumerRebalanceListener {
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "RangeAssignor", "sticky", "StickyAssignor", "cooperative-sticky", "CooperativeStickyAssignor");

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Writer events;
    private final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();

    private Member(Map<String, String> flags) throws IOException {
        events = new FileWriter(flags.get("events"));
        Properties settings = new Properties();
        settings.put("bootstrap.servers", flags.get("bootstrap-server"));
        settings.put("group.id", flags.get("group"));
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("group.protocol", flags.get("protocol"));
        if (flags.get("protocol").equals("classic")) {
            settings.put("session.timeout.ms", flags.get("session-timeout-ms"));
            settings.put("heartbeat.interval.ms", "500");
            String assignor = ASSIGNORS.get(flags.get("assignor"));
            settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor);
        }
        if (flags.containsKey("instance")) {
            settings.put("group.instance.id", flags.get("instance"));
        }
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(flags.get("topic")), this);
    }

    public static void main(String[] args) throws Exception {
        Map<String, String> flags = new HashMap<>();
        for (int n = 0; n + 1 < args.length; n += 2) {
            flags.put(args[n].substring(2), args[n + 1]);
        }
        Member member = new Member(flags);
        CountDownLatch left = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            member.consumer.wakeup();
            try {
                left.await();
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
            // A signal that was obeyed is no failure.
            Runtime.getRuntime().halt(0);
        }));
        try {
            member.run();
        } finally {
            left.countDown();
        }
    }

    private void run() {
        try {
            while (true) {
                process(consumer.poll(Duration.ofMillis(100)));
                commit();
            }
        } catch (WakeupException asked) {
            // The wakeup may have come in a commit; closing calls onPartitionsRevoked, which tries once more.
            consumer.close();
            say("left");
        }
    }

    private void process(ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition partition : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> some = records.records(partition);
            long last = some.get(some.size() - 1).offset();
            say("processed " + name(partition) + " " + some.get(0).offset() + " " + last);
            uncommitted.put(partition, new OffsetAndMetadata(last + 1));
        }
    }

    private void commit() {
        if (uncommitted.isEmpty()) {
            return;
        }
        try {
            consumer.commitSync(uncommitted);
        } catch (RebalanceInProgressException later) {
            // The next poll rebalances, and onPartitionsRevoked commits what goes.
            return;
        }
        uncommitted.forEach((partition, to) -> say("committed " + name(partition) + " " + to.offset()));
        uncommitted.clear();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        say("assigned", partitions);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        commit();
        say("revoked", partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        partitions.forEach(uncommitted::remove);
        say("lost", partitions);
    }

    private void say(String what, Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) {
            say(what + " " + partitions.stream().map(Member::name).collect(Collectors.joining(",")));
        }
    }

    private static String name(TopicPartition partition) {
        return partition.topic() + ":" + partition.partition();
    }

    private void say(String what) {
        try {
            events.write(ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()) + " " + what + "\n");
            events.flush();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
