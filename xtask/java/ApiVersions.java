import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.message.ApiMessageType;

/**
 * Writes one line for each version of the APIs named: key, name, version, the versions of its request
 * and response header, and whether the version is stable.
 */
public class ApiVersions {
    public static void main(String[] args) throws IOException {
        List<String> names = List.of(args).subList(1, args.length);
        List<String> lines = new ArrayList<>();
        for (ApiMessageType api : ApiMessageType.values()) {
            for (short v = api.lowestSupportedVersion(); v <= api.highestSupportedVersion(true); v++) {
                if (names.contains(api.name)) {
                    lines.add(api.apiKey() + " " + api.name + " " + v + " " + api.requestHeaderVersion(v)
                        + " " + api.responseHeaderVersion(v) + " " + (v <= api.highestSupportedVersion(false)));
                }
            }
        }
        Files.write(Path.of(args[0]), lines);
    }
}
