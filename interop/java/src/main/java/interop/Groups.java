package interop;

import static interop.Scenario.equal;
import static interop.Scenario.numbered;
import static interop.Scenario.until;

import interop.Scenario.Sample;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

/** Members of a group: they share partitions, leave, come back, and go on where they committed. */
final class Groups {
    private static final int PARTITIONS = 4;

    private final String bootstrap;
    private final String[] settings;
    private final String topic = Scenario.unique("group");
    private final String group = Scenario.unique("group");
    private final KafkaProducer<byte[], byte[]> source;
    private final List<Sample> found = new ArrayList<>();

    /** A member that counts its assignments. */
    static final class Member implements ConsumerRebalanceListener, AutoCloseable {
        final KafkaConsumer<byte[], byte[]> consumer;
        int assigned;

        Member(String bootstrap, String topic, String group, String... more) {
            Stream<String> all = Stream.concat(Stream.of("group.id", group), Arrays.stream(more));
            consumer = Clients.consumer(bootstrap, all.toArray(String[]::new));
            consumer.subscribe(List.of(topic), this);
        }

        void poll(List<Sample> found) {
            consumer.poll(Duration.ofMillis(100)).forEach(record -> found.add(Clients.sample(record)));
        }

        List<Integer> owned() {
            return consumer.assignment().stream().map(TopicPartition::partition).sorted().toList();
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            assigned++;
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

        @Override
        public void close() {
            consumer.close();
        }
    }

    private Groups(String bootstrap, String... settings) throws Exception {
        this.bootstrap = bootstrap;
        this.settings = settings;
        source = Clients.producer(bootstrap);
        Clients.create(bootstrap, topic, PARTITIONS);
    }

    private Member join(String... more) {
        Stream<String> all = Stream.concat(Arrays.stream(settings), Arrays.stream(more));
        return new Member(bootstrap, topic, group, all.toArray(String[]::new));
    }

    /** Polls until the members share all partitions evenly. */
    static List<List<Integer>> settle(int partitions, List<Sample> found, Member... members) throws Exception {
        List<List<Integer>> owned = new ArrayList<>();
        until("the assignment to " + members.length, () -> {
            owned.clear();
            for (Member member : members) {
                member.poll(found);
            }
            Arrays.stream(members).forEach(member -> owned.add(member.owned()));
            boolean even = owned.stream().allMatch(part -> part.size() == partitions / members.length);
            return even && owned.stream().flatMap(List::stream).distinct().count() == partitions;
        });
        return owned;
    }

    private void drain(int count, Member... members) throws Exception {
        until(count + " records of the group", () -> {
            for (Member member : members) {
                member.poll(found);
            }
            return found.stream().map(Scenario::number).distinct().count() >= count;
        });
        for (Member member : members) {
            member.consumer.commitSync();
        }
    }

    private void send(int start, int count) throws Exception {
        Clients.send(source, topic, numbered(start, count, PARTITIONS));
    }

    /** Two members share, one leaves, the other takes over; a third starts where they committed. */
    static String group(String bootstrap, String kind, String... settings) throws Exception {
        Groups groups = new Groups(bootstrap, settings);
        groups.shareAndTakeOver();
        try (Member third = groups.join()) {
            List<Sample> later = new ArrayList<>();
            groups.send(80, 8);
            until("the records after the committed offsets", () -> {
                third.poll(later);
                return later.size() >= 8;
            });
            List<Integer> numbers = later.stream().map(Scenario::number).sorted().toList();
            equal(numbers, List.of(80, 81, 82, 83, 84, 85, 86, 87), "records after the committed offsets");
        }
        try (Admin admin = Clients.admin(bootstrap)) {
            var listed = admin.listGroups().all().get().stream().filter(one -> one.groupId().equals(groups.group));
            equal(listed.findFirst().flatMap(one -> one.type()).map(Object::toString).orElse(""), kind, "kind of the group");
        }
        return "";
    }

    private void shareAndTakeOver() throws Exception {
        Member first = join();
        settle(PARTITIONS, found, first);
        Member second = join();
        settle(PARTITIONS, found, first, second);
        send(0, 40);
        drain(40, first, second);
        second.close();
        settle(PARTITIONS, found, first);
        send(40, 40);
        drain(80, first);
        equal(found.size(), 80, "records, each once");
        first.close();
    }

    /** A static member that comes back gets its partitions, and the other sees nothing of it. */
    static String stay(String bootstrap) throws Exception {
        Groups groups = new Groups(bootstrap, "session.timeout.ms", "20000");
        Member first = groups.join("group.instance.id", "one");
        settle(PARTITIONS, groups.found, first);
        Member second = groups.join("group.instance.id", "two");
        var before = settle(PARTITIONS, groups.found, first, second);
        groups.send(0, 40);
        groups.drain(40, first, second);
        int seen = second.assigned;
        Scenario.check(seen > 0, "no assignment of the other member was counted");
        first.close();
        groups.send(40, 40);
        Member back = groups.join("group.instance.id", "one");
        equal(settle(PARTITIONS, groups.found, back, second), before, "partitions after the return");
        groups.drain(80, back, second);
        equal(groups.found.size(), 80, "records, each once");
        equal(second.assigned, seen, "assignments of the other member");
        back.close();
        second.close();
        return "";
    }
}
