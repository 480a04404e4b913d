package bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client's part in the comparison: acks=all, idempotent, a callback for every record.
 *
 * <pre>
 * bench produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P
 *       --api default|best --compression none|lz4 --payloads FILE
 * </pre>
 *
 * A loop of its own instead of Kafka's ProducerPerformance: that tool counts the start of the virtual machine, draws
 * every payload at random and keeps a latency per record. Here the clock starts when the metadata is there, so neither
 * is the client's rate held down nor its CPU time charged for anything else. What the compiler does while the records
 * flow is counted: it belongs to a Java client.
 */
final class Bench {
    private static final int WARM_UP = 200;
    /** Larger records than this get larger limits. */
    private static final int LARGE = 100_000;

    private static final int LARGE_REQUEST = 8 << 20;

    private Bench() {}

    public static void main(String[] words) throws Exception {
        endWithLauncher();
        Args args = Args.parse(words);
        if (args.consume()) {
            Reading.run(args);
            return;
        }
        Map<String, Object> settings = settings(args);
        Map<String, Object> properties = new LinkedHashMap<>(settings);
        properties.put("bootstrap.servers", args.bootstrap());
        var bytes = new ByteArraySerializer();
        try (var producer = new KafkaProducer<byte[], byte[]>(properties, bytes, bytes)) {
            producer.partitionsFor(args.topic());
            if (args.latency()) {
                latency(producer, args, settings);
            } else {
                produce(producer, args, settings);
            }
        }
    }

    /** Without the program that started this one, nobody bounds its time. */
    private static void endWithLauncher() {
        Thread watch = new Thread(() -> {
            try {
                System.in.transferTo(java.io.OutputStream.nullOutputStream());
            } catch (IOException e) {
                // The pipe is gone, which is what this thread waits for.
            }
            Runtime.getRuntime().halt(3);
        });
        watch.setDaemon(true);
        watch.start();
    }

    private static Map<String, Object> settings(Args args) {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("acks", "all");
        settings.put("enable.idempotence", true);
        settings.put("compression.type", args.compression());
        if (args.size() > LARGE) {
            settings.put("max.request.size", Math.max(LARGE_REQUEST, args.size() + 1024));
        }
        if (args.best() && args.latency()) {
            settings.put("linger.ms", 0);
        } else if (args.best()) {
            settings.put("linger.ms", 20);
            settings.put("batch.size", args.partitions() > 1 ? 256 << 10 : 1_000_000);
            settings.put("buffer.memory", 128 << 20);
            settings.put("max.request.size", Math.max(LARGE_REQUEST, args.size() + 1024));
        }
        return settings;
    }

    private static void produce(KafkaProducer<byte[], byte[]> producer, Args args, Map<String, Object> settings)
            throws Exception {
        List<byte[]> pool = args.pool();
        AtomicInteger delivered = new AtomicInteger();
        AtomicReference<Exception> failed = new AtomicReference<>();
        Callback result = (metadata, error) -> {
            if (error == null) {
                delivered.incrementAndGet();
            } else {
                failed.compareAndSet(null, error);
            }
        };
        String topic = args.topic();
        int records = args.records();
        Clock clock = new Clock();
        for (int sent = 0, next = 0; sent < records; sent++) {
            producer.send(new ProducerRecord<>(topic, pool.get(next)), result);
            next = next + 1 == pool.size() ? 0 : next + 1;
        }
        producer.flush();
        if (failed.get() != null) {
            throw failed.get();
        }
        if (delivered.get() != records) {
            throw new IllegalStateException(delivered + " of " + records + " records have a result");
        }
        clock.report(args, noted(settings, "result", "callback per record"), new long[0]);
    }

    private static void latency(KafkaProducer<byte[], byte[]> producer, Args args, Map<String, Object> settings)
            throws Exception {
        List<byte[]> pool = args.pool();
        long[] latencies = new long[args.records()];
        Clock clock = null;
        for (int i = 0; i < args.records() + WARM_UP; i++) {
            if (i == WARM_UP) {
                clock = new Clock();
            }
            long sent = System.nanoTime();
            producer.send(new ProducerRecord<>(args.topic(), pool.get(i % pool.size()))).get();
            if (i >= WARM_UP) {
                latencies[i - WARM_UP] = System.nanoTime() - sent;
            }
        }
        clock.report(args, noted(settings, "send", "one record, awaited"), latencies);
    }

    /** What the result line tells beside the client's own settings. */
    static Map<String, Object> noted(Map<String, Object> settings, String name, String value) {
        settings.put(name, value);
        settings.put("jvm", String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments()));
        return settings;
    }
}
