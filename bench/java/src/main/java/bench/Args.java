package bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The command line that every program of the comparison understands. */
record Args(
        String mode, String bootstrap, String topic, int records, int size, int partitions,
        String api, String compression, String payloads) {

    static Args parse(String[] words) {
        if (words.length % 2 == 0) {
            throw new IllegalArgumentException("a mode, then names with their values, not " + List.of(words));
        }
        Map<String, String> given = new TreeMap<>();
        for (int i = 1; i < words.length; i += 2) {
            given.put(words[i], words[i + 1]);
        }
        Args args = new Args(
                oneOf(words[0], "produce", "latency", "consume"),
                take(given, "--bootstrap", "127.0.0.1:9092"),
                take(given, "--topic", "bench"),
                positive(take(given, "--records", "1000")),
                positive(take(given, "--size", "100")),
                positive(take(given, "--partitions", "1")),
                oneOf(take(given, "--api", "default"), "default", "best"),
                oneOf(take(given, "--compression", "none"), "none", "lz4"),
                take(given, "--payloads", ""));
        if (!given.isEmpty()) {
            throw new IllegalArgumentException("unknown: " + given.keySet());
        }
        return args;
    }

    boolean best() {
        return api.equals("best");
    }

    boolean consume() {
        return mode.equals("consume");
    }

    boolean latency() {
        return mode.equals("latency");
    }

    /** The values of the payload file, or one of the size asked for. */
    List<byte[]> pool() throws IOException {
        if (payloads.isEmpty()) {
            byte[] only = new byte[size];
            Arrays.fill(only, (byte) 'x');
            return List.of(only);
        }
        byte[] file = Files.readAllBytes(Path.of(payloads));
        List<byte[]> pool = new ArrayList<>();
        for (int from = 0; from < file.length; ) {
            int end = from;
            while (end < file.length && file[end] != '\n') {
                end++;
            }
            if (end - from != size) {
                String what = "%s:%d: %d bytes instead of %d";
                throw new IllegalArgumentException(what.formatted(payloads, pool.size() + 1, end - from, size));
            }
            pool.add(Arrays.copyOfRange(file, from, end));
            from = end + 1;
        }
        if (pool.isEmpty()) {
            throw new IllegalArgumentException(payloads + " is empty");
        }
        return pool;
    }

    private static String take(Map<String, String> given, String name, String otherwise) {
        String value = given.remove(name);
        return value == null ? otherwise : value;
    }

    // A word that is misread would measure something else than its row says.
    private static String oneOf(String given, String... allowed) {
        if (!List.of(allowed).contains(given)) {
            throw new IllegalArgumentException(given + " is none of " + List.of(allowed));
        }
        return given;
    }

    private static int positive(String given) {
        int number = Integer.parseInt(given);
        if (number < 1) {
            throw new IllegalArgumentException(given + " is not positive");
        }
        return number;
    }
}
