// Writes transactions of several producers through each other and prints what it wrote, a line for each record:
// partition, offset, key, value and what became of its transaction (committed, aborted, open), with tabs between
// them. A record of no transaction is committed. The topic is made first; with `compact` it is compacted, its
// keys come again and again, and no transaction is left open.
//
// java -cp 'libs/*' Transactions.java BOOTSTRAP TOPIC PARTITIONS SEED STEPS [compact]

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

public class Transactions {
    static final int WRITERS = 3;
    static final int KEYS = 20;
    static final int LARGE = 400;
    static final String[] CODECS = {"zstd", "lz4", "none", "gzip"};

    static String bootstrap;
    static String topic;
    static int partitions;
    static long next;

    /** A record on its way. */
    record Sent(String key, String value, Future<RecordMetadata> answer) {
        void print(String outcome) throws Exception {
            RecordMetadata at = answer.get(60, TimeUnit.SECONDS);
            System.out.println(at.partition() + "\t" + at.offset() + "\t" + key + "\t" + value + "\t" + outcome);
        }
    }

    /** A producer and the transaction it is in. */
    static final class Writer {
        final KafkaProducer<String, String> producer;
        final boolean transactional;
        final List<Sent> sent = new ArrayList<>();

        Writer(int number, boolean transactional) {
            this.transactional = transactional;
            producer = new KafkaProducer<>(settings(number, transactional), new StringSerializer(), new StringSerializer());
            if (transactional) {
                producer.initTransactions();
            }
        }

        void write(int partition, int count) {
            if (transactional && sent.isEmpty()) {
                producer.beginTransaction();
            }
            for (int i = 0; i < count; i++) {
                String key = String.valueOf(next % KEYS);
                String value = String.valueOf(next++);
                sent.add(new Sent(key, value, producer.send(new ProducerRecord<>(topic, partition, key, value))));
            }
            producer.flush();
        }

        void end(boolean commit) throws Exception {
            if (sent.isEmpty()) {
                return;
            }
            if (commit) {
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
            tell(commit ? "committed" : "aborted");
        }

        void tell(String outcome) throws Exception {
            for (Sent one : sent) {
                one.print(outcome);
            }
            sent.clear();
        }
    }

    static Properties settings(int number, boolean transactional) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("compression.type", CODECS[number % CODECS.length]);
        settings.put("batch.size", "2000");
        if (transactional) {
            settings.put("transactional.id", topic + "-" + number);
            settings.put("transaction.timeout.ms", "600000");
        }
        return settings;
    }

    static void create(boolean compact) throws Exception {
        Map<String, String> settings = compact
            ? Map.of("cleanup.policy", "compact", "segment.ms", "50", "min.cleanable.dirty.ratio", "0.001",
                "max.compaction.lag.ms", "1")
            : Map.of();
        try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            NewTopic wanted = new NewTopic(topic, partitions, (short) 1).configs(settings);
            admin.createTopics(List.of(wanted)).all().get(60, TimeUnit.SECONDS);
        }
    }

    public static void main(String[] args) throws Exception {
        bootstrap = args[0];
        topic = args[1];
        partitions = Integer.parseInt(args[2]);
        Random random = new Random(Long.parseLong(args[3]));
        int steps = Integer.parseInt(args[4]);
        boolean compact = args.length > 5;
        create(compact);
        List<Writer> writers = new ArrayList<>();
        for (int number = 0; number < WRITERS; number++) {
            writers.add(new Writer(number, true));
        }
        Writer large = new Writer(WRITERS, true);
        Writer plain = new Writer(WRITERS + 1, false);
        for (int step = 0; step < steps; step++) {
            step(random, writers.get(random.nextInt(WRITERS)), plain);
            if (step % 4 == 0 && !compact) {
                large.write(random.nextInt(partitions), LARGE);
            }
            if (step == steps * 3 / 4) {
                large.end(false);
            }
        }
        large.end(false);
        finish(random, writers, plain, compact);
        System.out.flush();
        // Closing would abort what is to stay open.
        Runtime.getRuntime().halt(0);
    }

    static void step(Random random, Writer writer, Writer plain) throws Exception {
        switch (random.nextInt(8)) {
            case 0 -> writer.end(true);
            case 1, 2 -> writer.end(false);
            case 3 -> {
                plain.write(random.nextInt(partitions), 1 + random.nextInt(5));
                plain.tell("committed");
            }
            default -> writer.write(random.nextInt(partitions), 1 + random.nextInt(20));
        }
    }

    static void finish(Random random, List<Writer> writers, Writer plain, boolean compact) throws Exception {
        for (Writer writer : writers.subList(1, WRITERS)) {
            writer.end(random.nextBoolean());
        }
        Writer first = writers.get(0);
        if (compact) {
            first.end(true);
            Thread.sleep(200);
        } else {
            first.write(0, 3);
        }
        for (int partition = 0; partition < partitions; partition++) {
            plain.write(partition, 5);
        }
        plain.tell("committed");
        first.tell("open");
    }
}
