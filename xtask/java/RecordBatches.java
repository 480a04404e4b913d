import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.CRC32C;

import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.CompressionType;
import org.apache.kafka.common.record.internal.ControlRecordType;
import org.apache.kafka.common.record.internal.EndTransactionMarker;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.utils.internals.ByteBufferOutputStream;

/**
 * `write FILE` has Kafka's classes write record batches of every kind and adds what they read back;
 * `dump FILE` prints what they read in a file of nothing but batches, written by somebody else.
 *
 * The layout of the file that is written stands in testdata/wire/README.md.
 */
public class RecordBatches {
    private static final long TIME = 1_700_000_000_000L;
    /** Longer dumps are written as their checksum. */
    private static final int LONG_DUMP = 16 * 1024;
    /** Longer fields are dumped as their length and checksum. */
    private static final int LONG_FIELD = 200;

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[1]);
        switch (args[0]) {
            case "write" -> write(file);
            case "dump" -> System.out.print(dump(ByteBuffer.wrap(Files.readAllBytes(file))));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void write(Path file) throws IOException {
        try (DataOutputStream out = new DataOutputStream(Files.newOutputStream(file))) {
            for (CompressionType type : CompressionType.values()) {
                Compression codec = Compression.of(type).build();
                put(out, "v2 " + type.name, varied(codec, TimestampType.CREATE_TIME));
                put(out, "v2 append time " + type.name, varied(codec, TimestampType.LOG_APPEND_TIME));
                put(out, "v2 long " + type.name, longRun(codec));
                if (type == CompressionType.ZSTD) {
                    continue; // KIP-110: not in the older formats
                }
                put(out, "v1 " + type.name, old((byte) 1, codec, TimestampType.CREATE_TIME));
                put(out, "v1 append time " + type.name, old((byte) 1, codec, TimestampType.LOG_APPEND_TIME));
                put(out, "v0 " + type.name, old((byte) 0, codec, TimestampType.NO_TIMESTAMP_TYPE));
            }
            put(out, "v2 idempotent", MemoryRecords.withIdempotentRecords(
                7L, Compression.NONE, 4_000_000_000L, (short) 3, Integer.MAX_VALUE - 1, 5, simple()).buffer());
            put(out, "v2 transactional", MemoryRecords.withTransactionalRecords(
                7L, Compression.NONE, 4_000_000_000L, (short) 3, 9, 5, simple()).buffer());
            put(out, "v2 commit", marker(ControlRecordType.COMMIT));
            put(out, "v2 abort", marker(ControlRecordType.ABORT));
            put(out, "v2 compacted", compacted());
            put(out, "v2 delete horizon", deleteHorizon());
            put(out, "all formats in a row", mixed());
        }
    }

    private static void put(DataOutputStream out, String name, ByteBuffer batches) throws IOException {
        byte[] bytes = new byte[batches.remaining()];
        batches.duplicate().get(bytes);
        byte[] seen = bytes(dump(ByteBuffer.wrap(bytes)));
        if (seen.length > LONG_DUMP) {
            seen = bytes(String.format("crc32c %08x", crc(seen)));
        }
        for (byte[] part : List.of(bytes(name), bytes, seen)) {
            out.writeInt(part.length);
            out.write(part);
        }
    }

    /** Nulls, empties, duplicate headers, negative and large time deltas, lengths of one to three bytes. */
    private static ByteBuffer varied(Compression codec, TimestampType type) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), (byte) 2, codec, type, 42L, TIME + 5);
        b.append(TIME, bytes("key"), bytes("value"));
        b.append(TIME - 3, (byte[]) null, (byte[]) null);
        b.append(TIME + 70, bytes(""), bytes(""), new Header[] {header("", "")});
        b.append(TIME + 3_000_000_000L, bytes("größe"), bytes("x".repeat(63)), new Header[] {
            header("a", "1"), header("b", null), header("a", "2"), header("ключ", "é"), header("a", "1")});
        b.append(TIME + 8192, bytes("k".repeat(64)), bytes("y".repeat(9000)));
        return b.build().buffer();
    }

    /** More than one block of any codec, and offsets of more than one byte. */
    private static ByteBuffer longRun(Compression codec) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 19), (byte) 2, codec, TimestampType.CREATE_TIME, 0L);
        int count = codec.type() == CompressionType.NONE ? 100 : 1100;
        for (int i = 0; i < count; i++) {
            String value = "{\"id\":" + i + ",\"mixed\":\"" + Long.toHexString(i * 0x9e3779b97f4a7c15L) + "\"}";
            b.append(TIME + i / 10, bytes("user-" + i % 100), bytes(value));
        }
        return b.build().buffer();
    }

    private static ByteBuffer old(byte magic, Compression codec, TimestampType type) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 16), magic, codec, type, 1000L, TIME + 5);
        b.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : TIME, bytes("key"), bytes("value"));
        b.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : TIME - 3, (byte[]) null, bytes(""));
        b.append(magic == 0 ? RecordBatch.NO_TIMESTAMP : TIME + 1, bytes(""), (byte[]) null);
        return b.build().buffer();
    }

    private static ByteBuffer marker(ControlRecordType type) {
        EndTransactionMarker marker = new EndTransactionMarker(type, 11);
        return MemoryRecords.withEndTransactionMarker(99L, TIME, 5, 4_000_000_000L, (short) 3, marker).buffer();
    }

    /** Records are gone at the start, in the middle and at the end. */
    private static ByteBuffer compacted() {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 12), (byte) 2, Compression.NONE, TimestampType.CREATE_TIME, 10L);
        b.appendWithOffset(12, TIME, bytes("a"), bytes("1"));
        b.appendWithOffset(17, TIME + 9, bytes("b"), bytes("2"));
        b.overrideLastOffset(30);
        return b.build().buffer();
    }

    private static ByteBuffer deleteHorizon() {
        ByteBufferOutputStream out = new ByteBufferOutputStream(1 << 12);
        MemoryRecordsBuilder b = new MemoryRecordsBuilder(out, (byte) 2, Compression.NONE, TimestampType.CREATE_TIME,
            0L, RecordBatch.NO_TIMESTAMP, -1L, (short) -1, -1, false, false, -1, 1 << 12, TIME + 1_000_000);
        b.append(TIME, bytes("tombstone"), (byte[]) null);
        b.append(TIME + 4, bytes("key"), bytes("value"));
        return b.build().buffer();
    }

    private static ByteBuffer mixed() {
        ByteBuffer all = ByteBuffer.allocate(1 << 16);
        all.put(old((byte) 0, Compression.NONE, TimestampType.NO_TIMESTAMP_TYPE));
        all.put(old((byte) 1, Compression.gzip().build(), TimestampType.CREATE_TIME));
        all.put(varied(Compression.snappy().build(), TimestampType.CREATE_TIME));
        all.put(marker(ControlRecordType.ABORT));
        return all.flip();
    }

    private static SimpleRecord[] simple() {
        return new SimpleRecord[] {
            new SimpleRecord(TIME, bytes("k"), bytes("v")), new SimpleRecord(TIME + 1, null, bytes("w")), new SimpleRecord(TIME, bytes("z"), null)};
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static Header header(String key, String value) {
        return new RecordHeader(key, value == null ? null : bytes(value));
    }

    /** A line for each batch and each record, as klamm's reader prints them. */
    private static String dump(ByteBuffer buffer) {
        StringBuilder text = new StringBuilder();
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(buffer).batches()) {
            batch.ensureValid();
            text.append(String.format("batch last=%d codec=%s append_time=%b transactional=%b control=%b producer=%d/%d/%d%n",
                batch.lastOffset(), batch.compressionType().name, batch.timestampType() == TimestampType.LOG_APPEND_TIME,
                batch.isTransactional(), batch.isControlBatch(), batch.producerId(), batch.producerEpoch(), batch.baseSequence()));
            for (Record record : batch) {
                record.ensureValid();
                text.append(String.format("%d @%d %s %s", record.offset(), record.timestamp(), hex(record.key()), hex(record.value())));
                for (Header header : record.headers()) {
                    byte[] value = header.value();
                    text.append(' ').append(hex(ByteBuffer.wrap(bytes(header.key())))).append('=')
                        .append(hex(value == null ? null : ByteBuffer.wrap(value)));
                }
                text.append('\n');
            }
        }
        return text.toString();
    }

    private static String hex(ByteBuffer buffer) {
        if (buffer == null) {
            return "null";
        }
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        if (bytes.length > LONG_FIELD) {
            return String.format("<%d bytes, crc32c %08x>", bytes.length, crc(bytes));
        }
        return "<" + HexFormat.of().formatHex(bytes) + ">";
    }

    private static long crc(byte[] bytes) {
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return crc.getValue();
    }
}
