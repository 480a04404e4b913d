// kafka-go (segmentio's) through every scenario: segmentio BOOTSTRAP SCENARIO…
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	kafka "github.com/segmentio/kafka-go"

	. "interop/scenario"
)

var codecOf = map[string]kafka.Compression{
	"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Patience)
}

func connect(bootstrap string) *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(bootstrap), Transport: &kafka.Transport{MetadataTTL: 100 * time.Millisecond}}
}

func create(bootstrap, topic string, partitions int) *kafka.Client {
	ctx, cancel := within()
	defer cancel()
	client := connect(bootstrap)
	made := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{made}})
	Need(err, "create a topic")
	Need(answer.Errors[topic], "create a topic")
	// The writer gives up on a topic that the broker has promised and does not know yet.
	Until("the topic", func() bool {
		answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		Need(err, "metadata")
		return answer.Topics[0].Error == nil && len(answer.Topics[0].Partitions) == partitions
	})
	return client
}

// writer sends each record to the partition that travels beside it.
func writer(bootstrap, topic string) *kafka.Writer {
	return &kafka.Writer{
		Addr: kafka.TCP(bootstrap), Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 20 * time.Millisecond,
		// One for all writers would remember that the topic was not there.
		Transport: &kafka.Transport{MetadataTTL: 100 * time.Millisecond},
		Balancer:  kafka.BalancerFunc(func(message kafka.Message, _ ...int) int { return message.WriterData.(int) }),
	}
}

func send(client *kafka.Writer, records []Record) {
	ctx, cancel := within()
	defer cancel()
	var messages []kafka.Message
	for _, record := range records {
		message := kafka.Message{Key: record.Key, Value: record.Value, WriterData: int(record.Partition)}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		messages = append(messages, message)
	}
	Need(client.WriteMessages(ctx, messages...), "produce")
}

func neutral(message kafka.Message) Record {
	record := Record{Partition: int32(message.Partition), Key: message.Key, Value: message.Value}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, Header{Name: header.Key, Value: header.Value})
	}
	return record
}

// offsets asks for the offsets of the first partition at these timestamps, in any order.
func offsets(client *kafka.Client, topic string, requests ...kafka.OffsetRequest) []kafka.PartitionOffsets {
	ctx, cancel := within()
	defer cancel()
	answer, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: requests}})
	Need(err, "list offsets")
	for _, partition := range answer.Topics[topic] {
		Need(partition.Error, "list offsets")
	}
	return answer.Topics[topic]
}

// read returns everything in the topic, up to the ends that are asked for before.
func read(bootstrap, topic string) []Record {
	ctx, cancel := within()
	defer cancel()
	var found []Record
	for partition := range Partitions {
		end := offsets(connect(bootstrap), topic, kafka.LastOffsetOf(partition))[0].LastOffset
		config := kafka.ReaderConfig{
			Brokers: []string{bootstrap}, Topic: topic, Partition: partition, MaxWait: 100 * time.Millisecond, MaxBytes: 1 << 24,
		}
		reader := kafka.NewReader(config)
		for reader.Offset() < end {
			message, err := reader.ReadMessage(ctx)
			Need(err, fmt.Sprintf("fetch after %d records", len(found)))
			found = append(found, neutral(message))
		}
		Need(reader.Close(), "close a reader")
	}
	return found
}

// emptyAsNull is what the reader makes of a record: it does not keep the two apart.
func emptyAsNull(records []Record) []Record {
	null := func(data []byte) []byte {
		if len(data) == 0 {
			return nil
		}
		return data
	}
	for i := range records {
		records[i].Key, records[i].Value = null(records[i].Key), null(records[i].Value)
		for j := range records[i].Headers {
			records[i].Headers[j].Value = null(records[i].Headers[j].Value)
		}
	}
	return records
}

func codecs(bootstrap string) string {
	var used []string
	for _, codec := range Codecs {
		topic := Unique("kafka-go-" + codec)
		create(bootstrap, topic, Partitions)
		client := writer(bootstrap, topic)
		client.Compression = codecOf[codec]
		send(client, Samples())
		SameRecords(read(bootstrap, topic), emptyAsNull(Samples()), codec)
		used = append(used, codec+"="+topic)
	}
	return strings.Join(used, " ")
}

// member knows its partitions from the broker, which describes the group: the reader does not tell.
type member struct {
	reader  *kafka.Reader
	client  *kafka.Client
	group   string
	name    string
	pending []kafka.Message
}

func join(bootstrap, group, topic string) *member {
	name := Unique("member")
	dialer := &kafka.Dialer{ClientID: name, Timeout: 10 * time.Second}
	return &member{client: connect(bootstrap), group: group, name: name, reader: kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{bootstrap}, GroupID: group, Topic: topic, Dialer: dialer, MaxWait: 100 * time.Millisecond,
		StartOffset: kafka.FirstOffset, HeartbeatInterval: 300 * time.Millisecond,
	})}
}

func (m *member) Poll() []Record {
	var found []Record
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		message, err := m.reader.FetchMessage(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return found
		}
		Need(err, "fetch")
		m.pending = append(m.pending, message)
		found = append(found, neutral(message))
	}
}

func describe(client *kafka.Client, group string) kafka.DescribeGroupsResponseGroup {
	ctx, cancel := within()
	defer cancel()
	answer, err := client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
	Need(err, "describe the group")
	return answer.Groups[0]
}

func (m *member) Owned() []int32 {
	var owned []int32
	group := describe(m.client, m.group)
	for _, member := range group.Members {
		if group.GroupState != "Stable" || member.ClientID != m.name {
			continue
		}
		for _, topic := range member.MemberAssignments.Topics {
			for _, partition := range topic.Partitions {
				owned = append(owned, int32(partition))
			}
		}
	}
	return owned
}

func (m *member) Commit() {
	ctx, cancel := within()
	defer cancel()
	Need(m.reader.CommitMessages(ctx, m.pending...), "commit")
	m.pending = nil
}

func (m *member) Close() { Need(m.reader.Close(), "close a member") }

func group(bootstrap string) string {
	topic, name := Unique("kafka-go-group"), Unique("kafka-go-group")
	create(bootstrap, topic, GroupPartitions)
	source := writer(bootstrap, topic)
	Group(func() Member { return join(bootstrap, name, topic) }, func(records []Record) { send(source, records) })
	return ""
}

func admin(bootstrap string) string {
	ctx, cancel := within()
	defer cancel()
	topic, client := Unique("kafka-go-admin"), connect(bootstrap)
	made := kafka.TopicConfig{
		Topic: topic, NumPartitions: 2, ReplicationFactor: 1,
		ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "3600000"}},
	}
	for _, expected := range []error{nil, kafka.TopicAlreadyExists} {
		answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{made}})
		Need(err, "create a topic")
		Check(errors.Is(answer.Errors[topic], expected), "create a topic: %v instead of %v", answer.Errors[topic], expected)
	}
	partitions := func() int {
		answer, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		Need(err, "metadata")
		Check(len(answer.Brokers) > 0, "no broker in the cluster")
		return len(answer.Topics[0].Partitions)
	}
	Until("2 partitions", func() bool { return partitions() == 2 })
	more := []kafka.TopicPartitionsConfig{{Name: topic, Count: 4}}
	grown, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{Topics: more})
	Need(err, "more partitions")
	Need(grown.Errors[topic], "more partitions")
	Until("4 partitions", func() bool { return partitions() == 4 })
	configs(ctx, client, topic)
	groupAdmin(ctx, bootstrap, client, topic)
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	Need(err, "delete the topic")
	Need(deleted.Errors[topic], "delete the topic")
	Until("the end of the topic", func() bool {
		answer, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		Need(err, "metadata")
		for _, one := range answer.Topics {
			if one.Name == topic {
				return false
			}
		}
		return true
	})
	return ""
}

func configs(ctx context.Context, client *kafka.Client, topic string) {
	described := func(name string) string {
		resource := kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{name},
		}
		answer, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
			Resources: []kafka.DescribeConfigRequestResource{resource},
		})
		Need(err, "describe settings")
		Need(answer.Resources[0].Error, "describe settings")
		Equal(len(answer.Resources[0].ConfigEntries), 1, "settings described")
		return answer.Resources[0].ConfigEntries[0].ConfigValue
	}
	alter := func(op kafka.ConfigOperation, name, value, expected string) {
		resource := kafka.IncrementalAlterConfigsRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
			Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: name, Value: value, ConfigOperation: op}},
		}
		answer, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{resource},
		})
		Need(err, "alter "+name)
		Need(answer.Resources[0].Error, "alter "+name)
		Until(name+"="+expected, func() bool { return described(name) == expected })
	}
	Equal(described("retention.ms"), "3600000", "retention.ms")
	alter(kafka.ConfigOperationSet, "retention.ms", "7200000", "7200000")
	alter(kafka.ConfigOperationAppend, "cleanup.policy", "compact", "delete,compact")
	alter(kafka.ConfigOperationSubtract, "cleanup.policy", "compact", "delete")
	alter(kafka.ConfigOperationDelete, "retention.ms", "", "604800000")
}

func groupAdmin(ctx context.Context, bootstrap string, client *kafka.Client, topic string) {
	name := Unique("kafka-go-admin")
	var found []Record
	one := join(bootstrap, name, topic)
	Settle(&found, 4, one)
	Equal(len(describe(client, name).Members), 1, "members of the group")
	one.Close()
	commits := map[string][]kafka.OffsetCommit{topic: {{Partition: 1, Offset: 7, Metadata: "note"}}}
	committed, err := client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: name, GenerationID: -1, Topics: commits})
	Need(err, "commit for the group")
	Need(committed.Topics[topic][0].Error, "commit for the group")
	offsets, err := client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: name, Topics: map[string][]int{topic: {1}}})
	Need(err, "offsets of the group")
	offset := offsets.Topics[topic][0]
	Equal(fmt.Sprint(offset.CommittedOffset, offset.Metadata), "7note", "offset of the group")
	has := func() bool {
		answer, err := client.ListGroups(ctx, &kafka.ListGroupsRequest{})
		Need(err, "list groups")
		for _, group := range answer.Groups {
			if group.GroupID == name {
				return true
			}
		}
		return false
	}
	Check(has(), "the group is not listed")
	deleted, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{name}})
	Need(err, "delete the group")
	Need(deleted.Errors[name], "delete the group")
	Check(!has(), "the group is still listed")
}

func timestamps(bootstrap string) string {
	ctx, cancel := within()
	defer cancel()
	topic, start := Unique("kafka-go-time"), time.Now().UnixMilli()-100_000
	client := create(bootstrap, topic, 1)
	source := writer(bootstrap, topic)
	for number := range 10 {
		moment := time.UnixMilli(start + int64(number)*1000)
		Need(source.WriteMessages(ctx, kafka.Message{Value: []byte("x"), WriterData: 0, Time: moment}), "produce")
	}
	for moment, expected := range map[int64]int64{0: 0, 3000: 3, 3001: 4, 9000: 9} {
		found := offsets(client, topic, kafka.TimeOffsetOf(0, time.UnixMilli(start+moment)))[0].Offsets
		// With the offset comes the timestamp that was asked for, whatever the record's.
		_, has := found[expected]
		Check(has && len(found) == 1, "offsets at %d: %v instead of %d", moment, found, expected)
	}
	ends := offsets(client, topic, kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0))[0]
	Equal(fmt.Sprint(ends.FirstOffset, ends.LastOffset), "0 10", "first offset and end")
	return ""
}

func main() {
	Main(map[string]Scenario{
		"codecs":     codecs,
		"group":      group,
		"admin":      admin,
		"timestamps": timestamps,
	}, map[string]string{
		"idempotent":        "kafka-go's writer does not have it",
		"static":            "kafka-go does not have it",
		"cooperative":       "kafka-go does not have it",
		"consumer-protocol": "kafka-go does not have it",
		"share":             "kafka-go does not have it",
		"transactions":      "kafka-go has the requests, and no writer that uses them",
	})
}
