package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.function.BooleanSupplier;

/** What every scenario needs: the records a client must carry, comparisons, and waits that end. */
final class Scenario {
    static final int PARTITIONS = 3;
    private static final long PATIENCE_MS = 25_000;

    /** What is worth telling; an exception says what is wrong. */
    interface Run {
        String run(String bootstrap) throws Exception;
    }

    /** A header; a null value is null. */
    record Header(String name, byte[] value) {}

    /** A record as it is sent and as it must come back. */
    record Sample(int partition, byte[] key, byte[] value, List<Header> headers) {
        /** Differs for records that differ, null and empty included. */
        String shown() {
            StringBuilder text = new StringBuilder(hex(key)).append(' ').append(hex(value));
            headers.forEach(header -> text.append(' ').append(header.name).append('=').append(hex(header.value)));
            return text.toString();
        }

        private static String hex(byte[] data) {
            return data == null ? "null" : "'" + new String(data, StandardCharsets.ISO_8859_1) + "'";
        }
    }

    private Scenario() {}

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String unique(String what) {
        return "interop-java-" + what + "-" + UUID.randomUUID().toString().substring(0, 8);
    }

    static void check(boolean holds, String message) {
        if (!holds) {
            throw new IllegalStateException(message);
        }
    }

    static void equal(Object found, Object expected, String what) {
        check(Objects.equals(found, expected), what + ": " + cut(found) + " instead of " + cut(expected));
    }

    private static String cut(Object value) {
        String text = String.valueOf(value);
        return text.substring(0, Math.min(300, text.length()));
    }

    static void until(String what, BooleanSupplier come) throws InterruptedException {
        long deadline = System.currentTimeMillis() + PATIENCE_MS;
        while (!come.getAsBoolean()) {
            check(System.currentTimeMillis() < deadline, "waited too long for " + what);
            Thread.sleep(10);
        }
    }

    /** Null and empty, text and bytes, small and large. */
    static List<Sample> samples() {
        byte[] every = new byte[256];
        for (int i = 0; i < every.length; i++) {
            every[i] = (byte) i;
        }
        byte[] empty = {};
        List<Header> many = List.of(new Header("a", bytes("1")), new Header("a", bytes("2")), new Header("null", null),
            new Header("empty", empty), new Header("bytes", every));
        List<Sample> samples = new ArrayList<>();
        add(samples, bytes("key"), bytes("value"), List.of());
        add(samples, null, bytes("no key"), List.of());
        add(samples, bytes("tombstone"), null, List.of());
        add(samples, empty, empty, List.of());
        add(samples, null, empty, List.of(new Header("one", bytes("1"))));
        add(samples, new byte[] {-1, 0, -2}, every, List.of());
        add(samples, bytes("headers"), bytes("v"), many);
        add(samples, bytes("schlüssel"), bytes("wert ✓"), List.of(new Header("name ü", bytes("ü"))));
        add(samples, bytes("large"), bytes("0123456789abcdef".repeat(6400)), List.of());
        for (int i = 0; i < 90; i++) {
            add(samples, bytes("n" + i), bytes("a value that repeats itself " + i), List.of());
        }
        return samples;
    }

    private static void add(List<Sample> samples, byte[] key, byte[] value, List<Header> headers) {
        samples.add(new Sample(samples.size() % PARTITIONS, key, value, headers));
    }

    /** Records that have their number as value. */
    static List<Sample> numbered(int start, int count, int partitions) {
        List<Sample> samples = new ArrayList<>();
        for (int n = start; n < start + count; n++) {
            samples.add(new Sample(n % partitions, null, bytes(String.valueOf(n)), List.of()));
        }
        return samples;
    }

    static int number(Sample sample) {
        return Integer.parseInt(new String(sample.value, StandardCharsets.UTF_8));
    }

    /** Compares by partition, which is where order is promised. */
    static void sameRecords(List<Sample> found, List<Sample> expected, String what) {
        for (int partition = 0; partition < PARTITIONS; partition++) {
            String[] got = in(partition, found);
            String[] wanted = in(partition, expected);
            equal(got.length, wanted.length, what + ": records in partition " + partition);
            int differs = Arrays.mismatch(got, wanted);
            if (differs >= 0) {
                equal(got[differs], wanted[differs], what + ": record " + differs + " of partition " + partition);
            }
        }
    }

    private static String[] in(int partition, List<Sample> samples) {
        return samples.stream().filter(s -> s.partition == partition).map(Sample::shown).toArray(String[]::new);
    }
}
