package bench;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.common.utils.AppInfoParser;

/** Wall time and CPU time of the timed part, and the result line. */
final class Clock {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final long cpu = SYSTEM.getProcessCpuTime();
    private final long started = System.nanoTime();

    /** Ends the timed part and prints the result line; {@code latencies} are in nanoseconds and may be none. */
    void report(Args args, Map<String, Object> settings, long[] latencies) throws IOException {
        double secs = (System.nanoTime() - started) / 1e9;
        double used = (SYSTEM.getProcessCpuTime() - cpu) / 1e9;
        long bytes = (long) args.records() * args.size();
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("client", "java");
        line.put("version", AppInfoParser.getVersion());
        line.put("mode", args.mode());
        line.put("api", args.api());
        line.put("compression", args.compression());
        line.put("records", args.records());
        line.put("bytes", bytes);
        line.put("secs", rounded(secs, 4));
        line.put("rec_per_s", rounded(args.records() / secs, 1));
        line.put("mb_per_s", rounded(bytes / 1e6 / secs, 3));
        line.put("cpu_s", rounded(used, 4));
        line.put("cpu_us_per_rec", rounded(used * 1e6 / args.records(), 4));
        line.put("rss_mib", rounded(peakKib() / 1024.0, 1));
        if (latencies.length > 0) {
            Arrays.sort(latencies);
            line.put("p50_us", at(latencies, 50));
            line.put("p99_us", at(latencies, 99));
            line.put("max_us", at(latencies, 100));
        }
        line.put("settings", settings);
        System.out.println(json(line));
    }

    private static long at(long[] sorted, int percent) {
        long index = (long) sorted.length * percent / 100;
        return sorted[(int) Math.min(index, sorted.length - 1)] / 1000;
    }

    /** The most memory this process ever had, which no bean knows. */
    private static long peakKib() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("the kernel does not say how much memory was used");
    }

    /** A number as it stands in JSON, whatever the machine's language. */
    private static Number rounded(double value, int digits) {
        return new java.math.BigDecimal(String.format(Locale.ROOT, "%." + digits + "f", value));
    }

    private static String json(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
                    .collect(Collectors.joining(",", "{", "}"));
        }
        if (value instanceof Number || value instanceof Boolean) {
            return value.toString();
        }
        return '"' + value.toString().replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }
}
