// Produces the records of a list in one idempotent batch with Kafka's own client.
//
// java -cp 'target/libs/*' Capture.java BOOTSTRAP TOPIC CODEC RECORDS

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

import static java.nio.charset.StandardCharsets.UTF_8;

public class Capture {
    static final long EPOCH = 1_700_000_000_000L;

    public static void main(String[] args) throws Exception {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(args[3]), UTF_8)) {
            if (!line.startsWith("#")) {
                records.add(record(args[1], line.split("\t")));
            }
        }
        try (var producer = new KafkaProducer<byte[], byte[]>(settings(args[0], args[2]))) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (var record : records) {
                sent.add(producer.send(record));
            }
            producer.flush();
            for (var future : sent) {
                System.out.println(future.get().offset());
            }
        }
    }

    static Properties settings(String bootstrap, String codec) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("client.id", "capture");
        settings.put("compression.type", codec);
        settings.put("enable.idempotence", "true");
        settings.put("acks", "all");
        // Nothing leaves before the flush.
        settings.put("linger.ms", "10000");
        settings.put("request.timeout.ms", "30000");
        settings.put("delivery.timeout.ms", "60000");
        settings.put("key.serializer", ByteArraySerializer.class.getName());
        settings.put("value.serializer", ByteArraySerializer.class.getName());
        return settings;
    }

    static ProducerRecord<byte[], byte[]> record(String topic, String[] columns) {
        List<Header> headers = new ArrayList<>();
        for (String header : columns.length > 3 ? columns[3].split(" ") : new String[0]) {
            int end = 0;
            while ("-=*".indexOf(header.charAt(end)) < 0) {
                end++;
            }
            headers.add(new RecordHeader(header.substring(0, end), field(header.substring(end))));
        }
        long timestamp = EPOCH + Long.parseLong(columns[0]);
        return new ProducerRecord<>(topic, 0, timestamp, field(columns[1]), field(columns[2]), headers);
    }

    static byte[] field(String text) {
        String rest = text.substring(1);
        switch (text.charAt(0)) {
            case '-':
                return null;
            case '*':
                byte[] bytes = new byte[Integer.parseInt(rest)];
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = (byte) (i % 251);
                }
                return bytes;
            default:
                return rest.getBytes(UTF_8);
        }
    }
}
