package bench;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic from its beginning, without a group: {@code default} with the client's own settings, {@code best} with
 * larger answers, polls and socket buffers. Checksums are checked, as they are unless Kafka's own tool is used.
 */
final class Reading {
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    private Reading() {}

    static void run(Args args) throws Exception {
        Map<String, Object> settings = settings(args);
        Map<String, Object> properties = new LinkedHashMap<>(settings);
        properties.put("bootstrap.servers", args.bootstrap());
        var bytes = new ByteArrayDeserializer();
        var partitions = IntStream.range(0, args.partitions())
                .mapToObj(partition -> new TopicPartition(args.topic(), partition))
                .toList();
        Clock clock = new Clock();
        try (var consumer = new KafkaConsumer<byte[], byte[]>(properties, bytes, bytes)) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long records = 0;
            long volume = 0;
            while (records < args.records()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(PATIENCE)) {
                    records++;
                    volume += record.value().length;
                }
            }
            if (records != args.records() || volume != (long) args.records() * args.size()) {
                throw new IllegalStateException(records + " records with " + volume + " bytes");
            }
            clock.report(args, Bench.noted(settings, "crc", "checked"), new long[0]);
        }
    }

    private static Map<String, Object> settings(Args args) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("enable.auto.commit", false);
        if (args.best()) {
            settings.put("max.partition.fetch.bytes", 5 << 20);
            settings.put("max.poll.records", 20_000);
            settings.put("receive.buffer.bytes", 1 << 20);
        }
        return settings;
    }
}
