package bench;

import java.io.File;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs {@link Bench} in a virtual machine of its own, with the heap and the collector that belong to the row:
 * {@code java -jar} alone would take whatever the machine at hand suggests.
 */
final class Launcher {
    private static final List<String> DEFAULT = List.of("-Xms512m", "-Xmx512m", "-XX:+UseG1GC");
    private static final List<String> BEST = List.of("-Xms1g", "-Xmx1g", "-XX:+UseParallelGC");

    private Launcher() {}

    public static void main(String[] words) throws Exception {
        Args args;
        try {
            args = Args.parse(words);
        } catch (IllegalArgumentException e) {
            System.err.println("java: " + e.getMessage());
            System.exit(2);
            return;
        }
        List<String> command = new ArrayList<>();
        command.add(System.getProperty("java.home") + File.separator + "bin" + File.separator + "java");
        command.addAll(args.best() ? BEST : DEFAULT);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Bench.class.getName()));
        command.addAll(List.of(words));
        // Its input stays a pipe from here: when that closes, this program is gone and the other one ends.
        Process bench = new ProcessBuilder(command)
                .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        System.exit(bench.waitFor());
    }
}
