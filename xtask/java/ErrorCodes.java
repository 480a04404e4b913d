import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

/** Writes Kafka's error codes to the file named: code, name, and whether its exception is retriable. */
public class ErrorCodes {
    public static void main(String[] args) throws IOException {
        List<String> lines = Arrays.stream(Errors.values())
            .sorted(Comparator.comparing(Errors::code))
            .map(e -> e.code() + " " + e.name() + " " + (e.exception() instanceof RetriableException))
            .collect(Collectors.toList());
        Files.write(Path.of(args[0]), lines);
    }
}
