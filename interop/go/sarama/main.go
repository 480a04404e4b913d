// sarama through every scenario: sarama BOOTSTRAP SCENARIO…
package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	. "interop/scenario"
)

var codecOf = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

type change func(*sarama.Config)

func settings(changes ...change) *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Flush.Frequency = 20 * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	config.Metadata.RefreshFrequency = time.Second
	for _, change := range changes {
		change(config)
	}
	return config
}

func producer(bootstrap string, changes ...change) sarama.SyncProducer {
	client, err := sarama.NewSyncProducer([]string{bootstrap}, settings(changes...))
	Need(err, "a producer")
	return client
}

func adminOf(bootstrap string) sarama.ClusterAdmin {
	client, err := sarama.NewClusterAdmin([]string{bootstrap}, settings())
	Need(err, "an admin client")
	return client
}

func create(bootstrap, topic string, partitions int32) sarama.ClusterAdmin {
	client := adminOf(bootstrap)
	Need(client.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false), "create a topic")
	return client
}

// encoded keeps null and empty apart.
func encoded(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func trySend(client sarama.SyncProducer, topic string, records []Record) error {
	var messages []*sarama.ProducerMessage
	for _, record := range records {
		message := &sarama.ProducerMessage{
			Topic: topic, Partition: record.Partition, Key: encoded(record.Key), Value: encoded(record.Value),
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		messages = append(messages, message)
	}
	return client.SendMessages(messages)
}

func send(client sarama.SyncProducer, topic string, records []Record) {
	Need(trySend(client, topic, records), "produce")
}

func neutral(message *sarama.ConsumerMessage) Record {
	record := Record{Partition: message.Partition, Key: message.Key, Value: message.Value}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, Header{Name: string(header.Key), Value: header.Value})
	}
	return record
}

// read returns everything in the topic: count records, and none in the half second after them.
func read(bootstrap, topic string, count int, changes ...change) []Record {
	consumer, err := sarama.NewConsumer([]string{bootstrap}, settings(changes...))
	Need(err, "a consumer")
	messages := make(chan *sarama.ConsumerMessage, count+1)
	for partition := range int32(Partitions) {
		part, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		Need(err, "consume a partition")
		go func() {
			for message := range part.Messages() {
				messages <- message
			}
		}()
	}
	var found []Record
	for patience := Patience; ; {
		select {
		case message := <-messages:
			found = append(found, neutral(message))
			if len(found) >= count {
				patience = 500 * time.Millisecond
			}
		case <-time.After(patience):
			Equal(len(found), count, "records read")
			return found
		}
	}
}

func codecs(bootstrap string) string {
	var used []string
	for _, codec := range Codecs {
		topic := Unique("sarama-" + codec)
		create(bootstrap, topic, Partitions)
		send(producer(bootstrap, func(c *sarama.Config) { c.Producer.Compression = codecOf[codec] }), topic, Samples())
		SameRecords(read(bootstrap, topic, len(Samples())), Samples(), codec)
		used = append(used, codec+"="+topic)
	}
	return strings.Join(used, " ")
}

func once(c *sarama.Config) {
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
}

func idempotent(bootstrap string) string {
	topic, records := Unique("sarama-idempotent"), Numbered(0, 1000, Partitions)
	create(bootstrap, topic, Partitions)
	send(producer(bootstrap, once, func(c *sarama.Config) { c.Producer.Flush.MaxMessages = 20 }), topic, records)
	SameRecords(read(bootstrap, topic, len(records)), records, "idempotent")
	return ""
}

// member is a consumer group's handler too: it hands over what comes, and marks only what Poll has returned.
type member struct {
	group    sarama.ConsumerGroup
	messages chan *sarama.ConsumerMessage
	stop     context.CancelFunc
	done     chan struct{}

	lock     sync.Mutex
	session  sarama.ConsumerGroupSession
	owned    []int32
	assigned int
}

func join(bootstrap, name, topic string, changes ...change) *member {
	group, err := sarama.NewConsumerGroup([]string{bootstrap}, name, settings(changes...))
	Need(err, "a member")
	ctx, stop := context.WithCancel(context.Background())
	m := &member{group: group, messages: make(chan *sarama.ConsumerMessage, 1000), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			if err := group.Consume(ctx, []string{topic}, m); err != nil {
				fmt.Println("consume:", err)
				time.Sleep(100 * time.Millisecond)
			}
		}
	}()
	return m
}

func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session, m.owned, m.assigned = session, nil, m.assigned+1
	for _, partitions := range session.Claims() {
		m.owned = partitions
	}
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.session, m.owned = nil, nil
	return nil
}

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, more := <-claim.Messages():
			if !more {
				return nil
			}
			m.messages <- message
		case <-session.Context().Done():
			return nil
		}
	}
}

func (m *member) Poll() []Record {
	var found []Record
	for {
		select {
		case message := <-m.messages:
			m.lock.Lock()
			if m.session != nil {
				m.session.MarkMessage(message, "")
			}
			m.lock.Unlock()
			found = append(found, neutral(message))
		case <-time.After(50 * time.Millisecond):
			return found
		}
	}
}

func (m *member) Owned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.owned
}

func (m *member) Commit() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.session != nil {
		m.session.Commit()
	}
}

func (m *member) Close() {
	m.stop()
	<-m.done
	Need(m.group.Close(), "close a member")
}

func group(bootstrap string) string {
	topic, name := Unique("sarama-group"), Unique("sarama-group")
	create(bootstrap, topic, GroupPartitions)
	source := producer(bootstrap)
	Group(func() Member { return join(bootstrap, name, topic) }, func(records []Record) { send(source, topic, records) })
	return ""
}

func static(bootstrap string) string {
	topic, name := Unique("sarama-static"), Unique("sarama-static")
	create(bootstrap, topic, GroupPartitions)
	source := producer(bootstrap)
	var second *member
	Static(func(instance string) Member {
		m := join(bootstrap, name, topic, func(c *sarama.Config) { c.Consumer.Group.InstanceId = instance })
		if instance == "two" {
			second = m
		}
		return m
	}, func(records []Record) { send(source, topic, records) }, func() int {
		second.lock.Lock()
		defer second.lock.Unlock()
		return second.assigned
	})
	return ""
}

func transactions(bootstrap string) string {
	topic, source, identity := Unique("sarama-txn"), Unique("sarama-txn"), Unique("sarama-txn")
	admin := create(bootstrap, topic, Partitions)
	create(bootstrap, source, 1)
	named := func(c *sarama.Config) { c.Producer.Transaction.ID = identity }
	client := producer(bootstrap, once, named)
	end := func(commit bool) {
		if commit {
			Need(client.CommitTxn(), "commit")
		} else {
			Need(client.AbortTxn(), "abort")
		}
	}
	for start, commit := range []bool{true, false, true, false} {
		Need(client.BeginTxn(), "begin")
		send(client, topic, Numbered(10*start, 10, Partitions))
		end(commit)
	}
	for _, commit := range []bool{true, false} {
		Need(client.BeginTxn(), "begin")
		offset := map[bool]int64{true: 3, false: 5}[commit]
		position := []*sarama.PartitionOffsetMetadata{{Partition: 0, Offset: offset}}
		Need(client.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{source: position}, identity), "offsets")
		end(commit)
	}
	offsets, err := admin.ListConsumerGroupOffsets(identity, map[string][]int32{source: {0}})
	Need(err, "offsets of the group")
	Equal(offsets.GetBlock(source, 0).Offset, 3, "offset committed in a transaction")
	level := func(level sarama.IsolationLevel) change {
		return func(c *sarama.Config) { c.Consumer.IsolationLevel = level }
	}
	committed := append(Numbered(0, 10, Partitions), Numbered(20, 10, Partitions)...)
	SameRecords(read(bootstrap, topic, 20, level(sarama.ReadCommitted)), committed, "read_committed")
	SameRecords(read(bootstrap, topic, 40, level(sarama.ReadUncommitted)), Numbered(0, 40, Partitions), "read_uncommitted")
	Need(client.BeginTxn(), "begin")
	producer(bootstrap, once, named)
	failed := trySend(client, topic, Numbered(40, 1, Partitions)) != nil
	Check(failed || client.CommitTxn() != nil, "a fenced producer could commit")
	return ""
}

func admin(bootstrap string) string {
	topic, hour := Unique("sarama-admin"), "3600000"
	client := adminOf(bootstrap)
	detail := &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &hour}}
	Need(client.CreateTopic(topic, detail, false), "create a topic")
	again := client.CreateTopic(topic, detail, false)
	Check(again != nil && strings.Contains(again.Error(), "already exists"), "created twice: %v", again)
	partitions := func(count int) {
		Until(fmt.Sprint(count, " partitions"), func() bool {
			topics, err := client.DescribeTopics([]string{topic})
			Need(err, "describe the topic")
			return len(topics[0].Partitions) == count
		})
	}
	partitions(2)
	Need(client.CreatePartitions(topic, 4, nil, false), "more partitions")
	partitions(4)
	configs(client, topic)
	send(producer(bootstrap), topic, Numbered(0, 40, 4))
	groupAdmin(bootstrap, client, topic)
	Need(client.DeleteRecords(topic, map[int32]int64{0: 4}), "delete records")
	earliest := map[string]map[int32]int64{topic: {0: sarama.OffsetOldest}}
	found, err := client.ListOffsets(earliest, nil)
	Need(err, "list offsets")
	Equal(found[topic][0].Offset, 4, "earliest offset")
	brokers, _, err := client.DescribeCluster()
	Need(err, "describe the cluster")
	Check(len(brokers) > 0, "no broker in the cluster")
	Need(client.DeleteTopic(topic), "delete the topic")
	Until("the end of the topic", func() bool {
		topics, err := client.ListTopics()
		Need(err, "list topics")
		_, has := topics[topic]
		return !has
	})
	return ""
}

func configs(client sarama.ClusterAdmin, topic string) {
	described := func(name string) string {
		entries, err := client.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
		Need(err, "describe settings")
		for _, entry := range entries {
			if entry.Name == name {
				return entry.Value
			}
		}
		return "missing"
	}
	alter := func(op sarama.IncrementalAlterConfigsOperation, name, value, expected string) {
		entries := map[string]sarama.IncrementalAlterConfigsEntry{name: {Operation: op, Value: &value}}
		Need(client.IncrementalAlterConfig(sarama.TopicResource, topic, entries, false), "alter "+name)
		Until(name+"="+expected, func() bool { return described(name) == expected })
	}
	Equal(described("retention.ms"), "3600000", "retention.ms")
	alter(sarama.IncrementalAlterConfigsOperationSet, "retention.ms", "7200000", "7200000")
	alter(sarama.IncrementalAlterConfigsOperationAppend, "cleanup.policy", "compact", "delete,compact")
	alter(sarama.IncrementalAlterConfigsOperationSubtract, "cleanup.policy", "compact", "delete")
	alter(sarama.IncrementalAlterConfigsOperationDelete, "retention.ms", "", "604800000")
}

func groupAdmin(bootstrap string, client sarama.ClusterAdmin, topic string) {
	name := Unique("sarama-admin")
	var found []Record
	one := join(bootstrap, name, topic)
	Settle(&found, 4, one)
	described, err := client.DescribeConsumerGroups([]string{name})
	Need(err, "describe the group")
	Equal(described[0].State, "Stable", "state of the group")
	Equal(len(described[0].Members), 1, "members of the group")
	one.Close()
	position := map[string]map[int32]sarama.OffsetAndMetadata{topic: {1: {Offset: 7, LeaderEpoch: -1, Metadata: "note"}}}
	_, err = client.AlterConsumerGroupOffsets(name, position, nil)
	Need(err, "alter offsets of the group")
	offsets, err := client.ListConsumerGroupOffsets(name, nil)
	Need(err, "offsets of the group")
	block := offsets.GetBlock(topic, 1)
	Check(block != nil, "no offset of the group")
	Equal(fmt.Sprint(block.Offset, block.Metadata), "7note", "offset of the group")
	has := func() bool {
		groups, err := client.ListConsumerGroups()
		Need(err, "list groups")
		_, has := groups[name]
		return has
	}
	Check(has(), "the group is not listed")
	Need(client.DeleteConsumerGroup(name), "delete the group")
	Check(!has(), "the group is still listed")
}

func timestamps(bootstrap string) string {
	topic, start := Unique("sarama-time"), time.Now().UnixMilli()-100_000
	create(bootstrap, topic, 1)
	source := producer(bootstrap)
	for number := range 10 {
		moment := time.UnixMilli(start + int64(number)*1000)
		message := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("x"), Timestamp: moment}
		_, _, err := source.SendMessage(message)
		Need(err, "produce")
	}
	client, err := sarama.NewClient([]string{bootstrap}, settings())
	Need(err, "a client")
	at := func(moment int64, expected int64) {
		found, err := client.GetOffset(topic, 0, moment)
		Need(err, "offset at a timestamp")
		Equal(found, expected, fmt.Sprint("offset at ", moment-start))
	}
	for moment, expected := range map[int64]int64{0: 0, 3000: 3, 3001: 4, 9000: 9, 9001: -1} {
		at(start+moment, expected)
	}
	at(sarama.OffsetOldest, 0)
	at(sarama.OffsetNewest, 10)
	return ""
}

func main() {
	Main(map[string]Scenario{
		"codecs":       codecs,
		"idempotent":   idempotent,
		"group":        group,
		"static":       static,
		"transactions": transactions,
		"admin":        admin,
		"timestamps":   timestamps,
	}, map[string]string{
		"cooperative":       "sarama does not have it",
		"consumer-protocol": "sarama does not have it",
		"share":             "sarama does not have it",
	})
}
