// Prints every record of a topic, partition by partition, as one line of tab-separated fields:
// partition, offset, timestamp, key, value, headers. Bytes are in Base64, `-` is null, headers are
// `name=value` separated by commas.
//
// java -cp 'libs/*' Dump.java BOOTSTRAP TOPIC

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Dump {
    static final Duration PATIENCE = Duration.ofSeconds(60);

    public static void main(String[] args) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", "10000");
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16));
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<PartitionInfo> partitions = new ArrayList<>(consumer.partitionsFor(args[1]));
            partitions.sort(Comparator.comparingInt(PartitionInfo::partition));
            for (PartitionInfo partition : partitions) {
                dump(consumer, new TopicPartition(args[1], partition.partition()), out);
            }
        }
        out.flush();
    }

    static void dump(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, PrintStream out) {
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (consumer.position(partition) < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                deadline = System.nanoTime() + PATIENCE.toNanos();
                out.println(line(record));
            }
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(partition + " has stalled before offset " + end);
            }
        }
    }

    static String line(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder headers = new StringBuilder();
        for (Header header : record.headers()) {
            headers.append(headers.length() == 0 ? "" : ",");
            headers.append(header.key()).append('=').append(text(header.value()));
        }
        return record.partition() + "\t" + record.offset() + "\t" + record.timestamp() + "\t"
            + text(record.key()) + "\t" + text(record.value()) + "\t" + headers;
    }

    static String text(byte[] bytes) {
        return bytes == null ? "-" : new String(Base64.getEncoder().encode(bytes), StandardCharsets.US_ASCII);
    }
}
