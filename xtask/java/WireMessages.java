import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Field;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.Struct;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

/**
 * Writes what Kafka's message classes make of values in every version: the default, one value with
 * every field set and one with half of them, and the last two from the newest and oldest version
 * written in each other version, where a refusal counts as a result too.
 *
 * Arguments: the file to write, then NAME=CLASS for each message. The layout of the file is described
 * in testdata/wire/README.md. The same arguments always give the same bytes.
 */
public class WireMessages {
    private static final String[] TEXTS = {"", "a", "orders", "größe", "日本", "x".repeat(130)};

    private final DataOutputStream out;
    private final Random random = new Random(20_260_101);
    private boolean dense;

    private WireMessages(DataOutputStream out) {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        WireMessages program = new WireMessages(new DataOutputStream(bytes));
        for (int i = 1; i < args.length; i++) {
            String[] parts = args[i].split("=");
            program.writeMessage(parts[0], Class.forName(parts[1]));
        }
        Files.write(Path.of(args[0]), bytes.toByteArray());
    }

    private void writeMessage(String name, Class<?> type) throws Exception {
        Schema[] schemas = (Schema[]) type.getField("SCHEMAS").get(null);
        short low = type.getField("LOWEST_SUPPORTED_VERSION").getShort(null);
        short high = type.getField("HIGHEST_SUPPORTED_VERSION").getShort(null);
        for (short version = low; version <= high; version++) {
            entry('d', name, version, version, newMessage(type));
            for (boolean fill : new boolean[] {true, false}) {
                dense = fill;
                Message message = filled(type, schemas[version], version);
                entry(fill ? 'f' : 'h', name, version, version, message);
                for (short to = low; to <= high && (version == low || version == high); to++) {
                    if (to != version) {
                        entry('o', name, version, to, message);
                    }
                }
            }
        }
    }

    private static Message newMessage(Class<?> type) throws Exception {
        return (Message) type.getConstructor().newInstance();
    }

    /** A message read from random bytes that follow the schema of the version. */
    private Message filled(Class<?> type, Schema schema, short version) throws Exception {
        Struct struct = struct(schema);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        buffer.flip();
        Message message = newMessage(type);
        message.read(new ByteBufferAccessor(buffer), version);
        if (buffer.hasRemaining()) {
            throw new IllegalStateException(type + " left bytes in version " + version);
        }
        return message;
    }

    private void entry(char kind, String name, short from, short to, Message message) throws IOException {
        byte[] utf8 = name.getBytes(StandardCharsets.UTF_8);
        out.writeByte(kind);
        out.writeByte(utf8.length);
        out.write(utf8);
        out.writeShort(from);
        out.writeShort(to);
        byte[] bytes = bytes(message, to);
        out.writeInt(bytes == null ? -1 : bytes.length);
        out.write(bytes == null ? new byte[0] : bytes);
    }

    /** The message in the version, or null when the class refuses to write it. */
    private static byte[] bytes(Message message, short version) {
        try {
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
            message.write(new ByteBufferAccessor(buffer), cache, version);
            if (buffer.hasRemaining()) {
                throw new IllegalStateException(message + " wrote less than its size");
            }
            return buffer.array();
        } catch (UnsupportedVersionException | NullPointerException e) {
            return null;
        }
    }

    private Struct struct(Schema schema) {
        Struct struct = new Struct(schema);
        for (BoundField field : schema.fields()) {
            struct.set(field, value(field.def.type));
        }
        return struct;
    }

    private Object value(Type type) {
        if (type.isNullable() && !dense && random.nextBoolean()) {
            return null;
        }
        if (type instanceof TaggedFields) {
            return tagged((TaggedFields) type);
        }
        if (type.isArray()) {
            Object[] items = new Object[dense ? 1 + random.nextInt(2) : random.nextInt(3)];
            for (int i = 0; i < items.length; i++) {
                items[i] = value(type.arrayElementType().get());
            }
            return items;
        }
        return type instanceof Schema ? struct((Schema) type) : primitive(type);
    }

    private NavigableMap<Integer, Object> tagged(TaggedFields type) {
        NavigableMap<Integer, Object> values = new TreeMap<>();
        for (Map.Entry<Integer, Field> field : type.fields().entrySet()) {
            if (dense || random.nextBoolean()) {
                values.put(field.getKey(), value(field.getValue().type));
            }
        }
        return values;
    }

    private Object primitive(Type type) {
        switch (type.toString()) {
            case "BOOLEAN": return random.nextBoolean();
            case "INT8": return (byte) number();
            case "INT16": return (short) number();
            case "UINT16": return (int) number() & 0xffff;
            case "INT32": return (int) number();
            case "UINT32": return number() & 0xffff_ffffL;
            case "INT64": return number();
            case "FLOAT64": return random.nextGaussian();
            case "UUID": return new Uuid(random.nextLong(), random.nextLong());
            case "STRING": case "COMPACT_STRING": case "NULLABLE_STRING": case "COMPACT_NULLABLE_STRING":
                return TEXTS[random.nextInt(TEXTS.length)];
            case "BYTES": case "COMPACT_BYTES": case "NULLABLE_BYTES": case "COMPACT_NULLABLE_BYTES":
                return bytes();
            case "RECORDS": case "COMPACT_RECORDS": case "NULLABLE_RECORDS": case "COMPACT_NULLABLE_RECORDS":
                return MemoryRecords.readableRecords(bytes());
            default: throw new IllegalArgumentException("no value for type " + type);
        }
    }

    /** Often one that a schema has as its default, else any. */
    private long number() {
        return random.nextInt(4) == 0 ? random.nextInt(3) - 1 : random.nextLong();
    }

    private ByteBuffer bytes() {
        byte[] bytes = new byte[random.nextInt(20)];
        random.nextBytes(bytes);
        return ByteBuffer.wrap(bytes);
    }
}
