package interop;

import interop.Scenario.Header;
import interop.Scenario.Sample;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java clients with the settings every scenario wants; further ones are name and value in turn. */
final class Clients {
    private Clients() {}

    private static Properties settings(String bootstrap, String... more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) {
            settings.put(more[i], more[i + 1]);
        }
        return settings;
    }

    static Admin admin(String bootstrap) {
        return Admin.create(settings(bootstrap));
    }

    static void create(String bootstrap, String topic, int partitions) throws Exception {
        try (Admin admin = admin(bootstrap)) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get(20, TimeUnit.SECONDS);
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String bootstrap, String... more) {
        Properties settings = settings(bootstrap, "linger.ms", "20", "delivery.timeout.ms", "25000",
            "request.timeout.ms", "10000", "max.block.ms", "20000");
        settings.putAll(settings(bootstrap, more));
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String... more) {
        Properties settings = settings(bootstrap, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
            "metadata.max.age.ms", "1000");
        settings.putAll(settings(bootstrap, more));
        if (!settings.containsKey("group.protocol") && settings.containsKey("group.id")) {
            settings.put("heartbeat.interval.ms", "300");
        }
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Produces and waits until every record is acknowledged. */
    static void send(KafkaProducer<byte[], byte[]> producer, String topic, List<Sample> samples) throws Exception {
        List<Future<?>> sent = new ArrayList<>();
        for (Sample sample : samples) {
            var record = new ProducerRecord<>(topic, sample.partition(), sample.key(), sample.value());
            sample.headers().forEach(header -> record.headers().add(header.name(), header.value()));
            sent.add(producer.send(record));
        }
        producer.flush();
        for (Future<?> one : sent) {
            one.get(20, TimeUnit.SECONDS);
        }
    }

    static Sample sample(ConsumerRecord<byte[], byte[]> record) {
        List<Header> headers = new ArrayList<>();
        record.headers().forEach(header -> headers.add(new Header(header.key(), header.value())));
        return new Sample(record.partition(), record.key(), record.value(), headers);
    }

    /** Everything in the topic; {@code count} records must come, and no more. */
    static List<Sample> read(String bootstrap, String topic, int count, String... more) throws Exception {
        List<Sample> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(bootstrap, more)) {
            List<TopicPartition> partitions = IntStream.range(0, Scenario.PARTITIONS)
                .mapToObj(partition -> new TopicPartition(topic, partition)).toList();
            consumer.assign(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Scenario.until(count + " records", () -> {
                consumer.poll(Duration.ofMillis(100)).forEach(record -> found.add(sample(record)));
                return partitions.stream().allMatch(p -> consumer.position(p) >= ends.get(p));
            });
        }
        Scenario.equal(found.size(), count, "records read");
        return found;
    }
}
