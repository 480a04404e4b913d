// franz-go through every scenario: franz BOOTSTRAP SCENARIO…
package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	. "interop/scenario"
)

var codecOf = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Patience)
}

func connect(bootstrap string, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(100*time.Millisecond))
	client, err := kgo.NewClient(options...)
	Need(err, "a client")
	return client
}

func producer(bootstrap string, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(20*time.Millisecond))
	return connect(bootstrap, options...)
}

func create(bootstrap, topic string, partitions int32) *kadm.Client {
	ctx, cancel := within()
	defer cancel()
	admin := kadm.NewClient(connect(bootstrap))
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	Need(err, "create a topic")
	return admin
}

func native(topic string, record Record) *kgo.Record {
	out := &kgo.Record{Topic: topic, Partition: record.Partition, Key: record.Key, Value: record.Value}
	for _, header := range record.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
	}
	return out
}

func neutral(record *kgo.Record) Record {
	out := Record{Partition: record.Partition, Key: record.Key, Value: record.Value}
	for _, header := range record.Headers {
		out.Headers = append(out.Headers, Header{Name: header.Key, Value: header.Value})
	}
	return out
}

func trySend(client *kgo.Client, topic string, records []Record) error {
	ctx, cancel := within()
	defer cancel()
	var all []*kgo.Record
	for _, record := range records {
		all = append(all, native(topic, record))
	}
	return client.ProduceSync(ctx, all...).FirstErr()
}

func send(client *kgo.Client, topic string, records []Record) {
	Need(trySend(client, topic, records), "produce")
}

// read returns everything in the topic; count records must come, and no more.
func read(bootstrap, topic string, count int, options ...kgo.Opt) []Record {
	ctx, cancel := within()
	defer cancel()
	ends, err := kadm.NewClient(connect(bootstrap)).ListEndOffsets(ctx, topic)
	Need(err, "end offsets")
	options = append(options, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords())
	client := connect(bootstrap, options...)
	defer client.Close()
	var found []Record
	open := map[int32]bool{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			open[end.Partition] = true
		}
	})
	for len(open) > 0 {
		fetches := client.PollFetches(ctx)
		Need(fetches.Err(), fmt.Sprintf("fetch after %d records", len(found)))
		fetches.EachRecord(func(record *kgo.Record) {
			end, _ := ends.Lookup(topic, record.Partition)
			if record.Offset+1 >= end.Offset {
				delete(open, record.Partition)
			}
			if !record.Attrs.IsControl() {
				found = append(found, neutral(record))
			}
		})
	}
	Equal(len(found), count, "records read")
	return found
}

func codecs(bootstrap string) string {
	var used []string
	for _, codec := range Codecs {
		topic := Unique("franz-" + codec)
		create(bootstrap, topic, Partitions)
		send(producer(bootstrap, kgo.ProducerBatchCompression(codecOf[codec])), topic, Samples())
		SameRecords(read(bootstrap, topic, len(Samples())), Samples(), codec)
		used = append(used, codec+"="+topic)
	}
	return strings.Join(used, " ")
}

func idempotent(bootstrap string) string {
	topic, records := Unique("franz-idempotent"), Numbered(0, 3000, Partitions)
	create(bootstrap, topic, Partitions)
	send(producer(bootstrap, kgo.ProducerBatchMaxBytes(1024)), topic, records)
	SameRecords(read(bootstrap, topic, len(records)), records, "idempotent")
	return ""
}

type member struct {
	client   *kgo.Client
	lock     sync.Mutex
	owned    map[int32]bool
	assigned int
}

func join(bootstrap, group, topic string, options ...kgo.Opt) *member {
	m := &member{owned: map[int32]bool{}}
	change := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			if has {
				m.assigned++
			}
			for _, partition := range topics[topic] {
				m.owned[partition] = has
			}
		}
	}
	options = append(options,
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(300*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	m.client = connect(bootstrap, options...)
	return m
}

func (m *member) Poll() []Record {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	var found []Record
	m.client.PollFetches(ctx).EachRecord(func(record *kgo.Record) { found = append(found, neutral(record)) })
	return found
}

func (m *member) Owned() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	var owned []int32
	for partition, has := range m.owned {
		if has {
			owned = append(owned, partition)
		}
	}
	return owned
}

func (m *member) Commit() {
	ctx, cancel := within()
	defer cancel()
	Need(m.client.CommitUncommittedOffsets(ctx), "commit")
}

func (m *member) Close() { m.client.Close() }

// groupWith also asks whether the broker assigned the partitions: the client falls back silently.
func groupWith(onBroker bool, options ...kgo.Opt) Scenario {
	return func(bootstrap string) string {
		topic, group := Unique("franz-group"), Unique("franz-group")
		create(bootstrap, topic, GroupPartitions)
		source := producer(bootstrap)
		Group(func() Member { return join(bootstrap, group, topic, options...) },
			func(records []Record) { send(source, topic, records) })
		ctx, cancel := within()
		defer cancel()
		// Of a classic group this request knows nothing.
		described, _ := kadm.NewClient(connect(bootstrap)).DescribeConsumerGroups(ctx, group)
		Equal(described[group].Err == nil && described[group].Epoch > 0, onBroker, "whether the broker assigned")
		return ""
	}
}

func static(bootstrap string) string {
	topic, group := Unique("franz-static"), Unique("franz-static")
	create(bootstrap, topic, GroupPartitions)
	source := producer(bootstrap)
	var second *member
	Static(func(instance string) Member {
		m := join(bootstrap, group, topic, kgo.InstanceID(instance), kgo.Balancers(kgo.RangeBalancer()))
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
	topic, source, identity := Unique("franz-txn"), Unique("franz-txn"), Unique("franz-txn")
	create(bootstrap, topic, Partitions)
	create(bootstrap, source, 1)
	client := producer(bootstrap, kgo.TransactionalID(identity))
	for start, commit := range []bool{true, false, true, false} {
		Need(client.BeginTransaction(), "begin")
		send(client, topic, Numbered(10*start, 10, Partitions))
		end(client, kgo.TransactionEndTry(commit))
	}
	committed := append(Numbered(0, 10, Partitions), Numbered(20, 10, Partitions)...)
	SameRecords(read(bootstrap, topic, 20, kgo.FetchIsolationLevel(kgo.ReadCommitted())), committed, "read_committed")
	SameRecords(read(bootstrap, topic, 40, kgo.FetchIsolationLevel(kgo.ReadUncommitted())), Numbered(0, 40, Partitions), "read_uncommitted")
	consumeAndProduce(bootstrap, source, topic)
	Need(client.BeginTransaction(), "begin")
	send(client, topic, Numbered(40, 1, Partitions))
	other := producer(bootstrap, kgo.TransactionalID(identity))
	Need(other.BeginTransaction(), "begin")
	send(other, topic, Numbered(41, 1, Partitions))
	ctx, cancel := within()
	defer cancel()
	Check(client.EndTransaction(ctx, kgo.TryCommit) != nil, "a fenced producer could commit")
	end(other, kgo.TryCommit)
	return ""
}

func end(client *kgo.Client, how kgo.TransactionEndTry) {
	ctx, cancel := within()
	defer cancel()
	Need(client.EndTransaction(ctx, how), "end of a transaction")
}

// consumeAndProduce aborts once, after which the same records come again, and then commits them with their offsets.
func consumeAndProduce(bootstrap, source, topic string) {
	send(producer(bootstrap), source, Numbered(0, 5, 1))
	group := Unique("franz-txn")
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.TransactionalID(group), kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(source), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	Need(err, "a session")
	defer session.Close()
	ctx, cancel := within()
	defer cancel()
	for _, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		Need(session.Begin(), "begin")
		for count := 0; count < 5; {
			fetches := session.PollFetches(ctx)
			Need(fetches.Err(), fmt.Sprintf("fetch after %d records", count))
			count += fetches.NumRecords()
		}
		Need(session.ProduceSync(ctx, native(topic, Record{Value: []byte("99")})).FirstErr(), "produce")
		committed, err := session.End(ctx, how)
		Need(err, "end of a session's transaction")
		Equal(committed, how == kgo.TryCommit, "committed")
	}
	offsets, err := kadm.NewClient(connect(bootstrap)).FetchOffsets(ctx, group)
	Need(err, "offsets of the group")
	offset, _ := offsets.Lookup(source, 0)
	Equal(offset.At, 5, "offset committed in a transaction")
}

func admin(bootstrap string) string {
	ctx, cancel := within()
	defer cancel()
	topic, hour := Unique("franz-admin"), "3600000"
	client := kadm.NewClient(connect(bootstrap))
	_, err := client.CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &hour}, topic)
	Need(err, "create a topic")
	_, err = client.CreateTopic(ctx, 2, 1, nil, topic)
	Check(err != nil && strings.Contains(err.Error(), "TOPIC_ALREADY_EXISTS"), "created twice: %v", err)
	partitions := func(count int) {
		Until(fmt.Sprint(count, " partitions"), func() bool {
			topics, err := client.ListTopics(ctx, topic)
			Need(err, "list topics")
			return len(topics[topic].Partitions) == count
		})
	}
	partitions(2)
	_, err = client.UpdatePartitions(ctx, 4, topic)
	Need(err, "more partitions")
	partitions(4)
	configs(ctx, client, topic)
	send(producer(bootstrap), topic, Numbered(0, 40, 4))
	groupAdmin(ctx, bootstrap, client, topic)
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 4, -1)
	deleted, err := client.DeleteRecords(ctx, offsets)
	Need(err, "delete records")
	low, _ := deleted.Lookup(topic, 0)
	Equal(low.LowWatermark, 4, "low watermark")
	starts, err := client.ListStartOffsets(ctx, topic)
	Need(err, "start offsets")
	start, _ := starts.Lookup(topic, 0)
	Equal(start.Offset, 4, "start offset")
	cluster, err := client.BrokerMetadata(ctx)
	Need(err, "brokers")
	Check(len(cluster.Brokers) > 0, "no broker in the cluster")
	_, err = client.DeleteTopic(ctx, topic)
	Need(err, "delete the topic")
	Until("the end of the topic", func() bool {
		topics, err := client.ListTopics(ctx)
		Need(err, "list topics")
		return !topics.Has(topic)
	})
	return ""
}

func configs(ctx context.Context, client *kadm.Client, topic string) {
	described := func(name string) string {
		all, err := client.DescribeTopicConfigs(ctx, topic)
		Need(err, "describe settings")
		one, err := all.On(topic, nil)
		Need(err, "settings of the topic")
		for _, config := range one.Configs {
			if config.Key == name {
				return config.MaybeValue()
			}
		}
		return "missing"
	}
	alter := func(op kadm.IncrementalOp, name, value, expected string) {
		changed, err := client.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: op, Name: name, Value: &value}}, topic)
		Need(err, "alter settings")
		for _, one := range changed {
			Need(one.Err, "alter "+name)
		}
		Until(name+"="+expected, func() bool { return described(name) == expected })
	}
	Equal(described("retention.ms"), "3600000", "retention.ms")
	alter(kadm.SetConfig, "retention.ms", "7200000", "7200000")
	alter(kadm.AppendConfig, "cleanup.policy", "compact", "delete,compact")
	alter(kadm.SubtractConfig, "cleanup.policy", "compact", "delete")
	alter(kadm.DeleteConfig, "retention.ms", "", "604800000")
}

func groupAdmin(ctx context.Context, bootstrap string, client *kadm.Client, topic string) {
	group := Unique("franz-admin")
	var found []Record
	one := join(bootstrap, group, topic, kgo.Balancers(kgo.RangeBalancer()))
	Settle(&found, 4, one)
	described, err := client.DescribeGroups(ctx, group)
	Need(err, "describe the group")
	Equal(described[group].State, "Stable", "state of the group")
	Equal(len(described[group].Members), 1, "members of the group")
	one.Close()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: 1, At: 7, LeaderEpoch: -1, Metadata: "note"})
	_, err = client.CommitOffsets(ctx, group, offsets)
	Need(err, "commit for the group")
	committed, err := client.FetchOffsets(ctx, group)
	Need(err, "offsets of the group")
	offset, _ := committed.Lookup(topic, 1)
	Equal(fmt.Sprint(offset.At, offset.Metadata), "7note", "offset of the group")
	has := func() bool {
		groups, err := client.ListGroups(ctx)
		Need(err, "list groups")
		return slices.Contains(slices.Collect(maps.Keys(groups)), group)
	}
	Check(has(), "the group is not listed")
	_, err = client.DeleteGroup(ctx, group)
	Need(err, "delete the group")
	Check(!has(), "the group is still listed")
}

func timestamps(bootstrap string) string {
	ctx, cancel := within()
	defer cancel()
	topic, start := Unique("franz-time"), time.Now().UnixMilli()-100_000
	client := create(bootstrap, topic, 1)
	source := producer(bootstrap)
	for number := range 10 {
		moment := time.UnixMilli(start + int64(number)*1000)
		record := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: moment}
		Need(source.ProduceSync(ctx, record).FirstErr(), "produce")
	}
	at := func(found kadm.ListedOffsets, err error) kadm.ListedOffset {
		Need(err, "list offsets")
		one, _ := found.Lookup(topic, 0)
		Need(one.Err, "list offsets")
		return one
	}
	for moment, expected := range map[int64]int64{0: 0, 3000: 3, 3001: 4, 9000: 9} {
		found := at(client.ListOffsetsAfterMilli(ctx, start+moment, topic))
		Equal(found.Offset, expected, fmt.Sprint("offset at ", moment))
		Equal(found.Timestamp, start+expected*1000, fmt.Sprint("timestamp at ", moment))
	}
	Equal(at(client.ListOffsetsAfterMilli(ctx, start+9001, topic)).Offset, 10, "offset after the last")
	Equal(at(client.ListStartOffsets(ctx, topic)).Offset, 0, "start offset")
	Equal(at(client.ListEndOffsets(ctx, topic)).Offset, 10, "end offset")
	Equal(at(client.ListMaxTimestampOffsets(ctx, topic)).Offset, 9, "offset of the largest timestamp")
	return ""
}

func main() {
	Main(map[string]Scenario{
		"codecs":            codecs,
		"idempotent":        idempotent,
		"group":             groupWith(false, kgo.Balancers(kgo.RangeBalancer())),
		"static":            static,
		"cooperative":       groupWith(false, kgo.Balancers(kgo.CooperativeStickyBalancer())),
		"consumer-protocol": groupWith(true, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer())),
		"transactions":      transactions,
		"admin":             admin,
		"timestamps":        timestamps,
		"share":             share,
	}, nil)
}
