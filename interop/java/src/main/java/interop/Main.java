package interop;

import static interop.Scenario.equal;
import static interop.Scenario.numbered;
import static interop.Scenario.samples;
import static interop.Scenario.sameRecords;
import static interop.Scenario.unique;

import interop.Scenario.Run;
import interop.Scenario.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * The Java clients through every scenario: BOOTSTRAP SCENARIO…
 *
 * <p>Prints one line of JSON for each: {@code ok} is true, false, or null when there is no such scenario; {@code detail}
 * says what was seen or why not.
 */
public final class Main {
    private static final String PACKAGE = "org.apache.kafka.clients.consumer.";
    private static final Map<String, Run> SCENARIOS = Map.of(
        "codecs", Main::codecs,
        "idempotent", Main::idempotent,
        "group", bootstrap -> Groups.group(bootstrap, "Classic",
            "partition.assignment.strategy", PACKAGE + "RangeAssignor"),
        "static", Groups::stay,
        "cooperative", bootstrap -> Groups.group(bootstrap, "Classic",
            "partition.assignment.strategy", PACKAGE + "CooperativeStickyAssignor"),
        "consumer-protocol", bootstrap -> Groups.group(bootstrap, "Consumer", "group.protocol", "consumer"),
        "transactions", Main::transactions,
        "admin", Administration::run,
        "timestamps", Main::timestamps,
        "share", Shares::run);

    private Main() {}

    public static void main(String[] args) {
        for (String name : List.of(args).subList(1, args.length)) {
            Run scenario = SCENARIOS.get(name);
            if (scenario == null) {
                say(name, "null", "not a scenario of this program");
                continue;
            }
            try {
                say(name, "true", scenario.run(args[0]));
            } catch (Throwable error) {
                error.printStackTrace();
                say(name, "false", error.toString());
            }
        }
        // Producers that were fenced on purpose need not be waited for.
        System.exit(0);
    }

    private static void say(String name, String ok, String detail) {
        StringBuilder quoted = new StringBuilder();
        for (char c : detail.toCharArray()) {
            quoted.append(c >= ' ' && c < 127 && c != '"' && c != '\\' ? "" + c : String.format("\\u%04x", (int) c));
        }
        System.out.printf("{\"scenario\": \"%s\", \"ok\": %s, \"detail\": \"%s\"}%n", name, ok, quoted);
    }

    private static String codecs(String bootstrap) throws Exception {
        List<String> used = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = unique(codec);
            Clients.create(bootstrap, topic, Scenario.PARTITIONS);
            try (var producer = Clients.producer(bootstrap, "compression.type", codec)) {
                Clients.send(producer, topic, samples());
            }
            sameRecords(Clients.read(bootstrap, topic, samples().size()), samples(), codec);
            used.add(codec + "=" + topic);
        }
        return String.join(" ", used);
    }

    private static String idempotent(String bootstrap) throws Exception {
        String topic = unique("idempotent");
        List<Sample> records = numbered(0, 3000, Scenario.PARTITIONS);
        Clients.create(bootstrap, topic, Scenario.PARTITIONS);
        try (var producer = Clients.producer(bootstrap, "enable.idempotence", "true", "batch.size", "200")) {
            Clients.send(producer, topic, records);
        }
        sameRecords(Clients.read(bootstrap, topic, records.size()), records, "idempotent");
        return "";
    }

    private static String transactions(String bootstrap) throws Exception {
        String topic = unique("txn");
        String identity = unique("txn");
        Clients.create(bootstrap, topic, Scenario.PARTITIONS);
        var producer = Clients.producer(bootstrap, "transactional.id", identity);
        producer.initTransactions();
        for (int start = 0; start < 40; start += 10) {
            producer.beginTransaction();
            Clients.send(producer, topic, numbered(start, 10, Scenario.PARTITIONS));
            end(producer, start % 20 == 0);
        }
        offsetsInTransaction(bootstrap, producer);
        List<Sample> committed = Stream.concat(
            numbered(0, 10, Scenario.PARTITIONS).stream(), numbered(20, 10, Scenario.PARTITIONS).stream()).toList();
        var found = Clients.read(bootstrap, topic, 20, "isolation.level", "read_committed");
        sameRecords(found, committed, "read_committed");
        found = Clients.read(bootstrap, topic, 40, "isolation.level", "read_uncommitted");
        sameRecords(found, numbered(0, 40, Scenario.PARTITIONS), "read_uncommitted");
        fenced(bootstrap, producer, identity, topic);
        return "";
    }

    private static void end(KafkaProducer<byte[], byte[]> producer, boolean commit) {
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    /** Offsets sent in an aborted transaction are void, in a committed one they count. */
    private static void offsetsInTransaction(String bootstrap, KafkaProducer<byte[], byte[]> producer) throws Exception {
        String source = unique("txn");
        Clients.create(bootstrap, source, 1);
        TopicPartition partition = new TopicPartition(source, 0);
        try (Groups.Member member = new Groups.Member(bootstrap, source, source)) {
            Groups.settle(1, new ArrayList<>(), member);
            // The consumer answers committed() from a request for its position that may still be under way.
            member.consumer.position(partition);
            for (boolean commit : new boolean[] {true, false}) {
                producer.beginTransaction();
                var offsets = Map.of(partition, new OffsetAndMetadata(commit ? 3 : 5));
                producer.sendOffsetsToTransaction(offsets, member.consumer.groupMetadata());
                end(producer, commit);
                long found = member.consumer.committed(java.util.Set.of(partition)).get(partition).offset();
                equal(found, 3L, "offset committed in a transaction");
            }
        }
    }

    /** A second producer of the same name shuts the first one out. */
    private static void fenced(
        String bootstrap, KafkaProducer<byte[], byte[]> old, String identity, String topic) throws Exception {
        old.beginTransaction();
        Clients.producer(bootstrap, "transactional.id", identity).initTransactions();
        try {
            Clients.send(old, topic, numbered(40, 1, Scenario.PARTITIONS));
            old.commitTransaction();
        } catch (KafkaException | ExecutionException expected) {
            return;
        }
        throw new IllegalStateException("a fenced producer could commit");
    }

    private static String timestamps(String bootstrap) throws Exception {
        String topic = unique("time");
        long start = System.currentTimeMillis() - 100_000;
        Clients.create(bootstrap, topic, 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = Clients.producer(bootstrap)) {
            for (int n = 0; n < 10; n++) {
                producer.send(new ProducerRecord<>(topic, 0, start + n * 1000L, null, new byte[] {1})).get();
            }
        }
        try (var consumer = Clients.consumer(bootstrap)) {
            for (var at : Map.of(0L, 0L, 3000L, 3L, 3001L, 4L, 9000L, 9L).entrySet()) {
                var found = consumer.offsetsForTimes(Map.of(partition, start + at.getKey())).get(partition);
                equal(found.offset() + " " + (found.timestamp() - start), at.getValue() + " " + at.getValue() * 1000,
                    "offset and timestamp at " + at.getKey());
            }
            equal(consumer.offsetsForTimes(Map.of(partition, start + 9001)).get(partition), null, "offset after the last");
        }
        try (Admin admin = Clients.admin(bootstrap)) {
            for (var at : Map.of(OffsetSpec.earliest(), 0L, OffsetSpec.latest(), 10L, OffsetSpec.maxTimestamp(), 9L).entrySet()) {
                var found = admin.listOffsets(Map.of(partition, at.getKey())).partitionResult(partition).get();
                equal(found.offset(), at.getValue(), at.getKey().getClass().getSimpleName());
            }
        }
        return "";
    }
}
