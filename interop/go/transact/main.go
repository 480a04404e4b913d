// transact takes one step of a transaction's life with franz-go, for runs in which the broker is killed between them:
//
//	transact BOOTSTRAP end ID PROTOCOL NUMBER commit|abort TIMEOUT_MS
//	transact BOOTSTRAP resume ID PROTOCOL TIMEOUT_MS
//	transact BOOTSTRAP forge
//	transact BOOTSTRAP show
//
// end writes NUMBER to left/0, left/1 and right/0, makes it the offset of the group, and ends the transaction; what goes
// wrong is the status. resume takes the id over, which ends what was open. forge writes an abort marker to right/0 behind the
// coordinator's back. show prints what a reader of committed records sees, as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

const (
	patience = 40 * time.Second
	group    = "progress"
	left     = "left"
	right    = "right"
)

var places = []kgo.Record{{Topic: left, Partition: 0}, {Topic: left, Partition: 1}, {Topic: right, Partition: 0}}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return errors.New("which broker, and what to do?")
	}
	bootstrap, rest := args[0], args[2:]
	switch args[1] {
	case "end":
		return end(ctx, bootstrap, rest)
	case "resume":
		client, err := producer(bootstrap, rest[0], rest[1], rest[2])
		if err != nil {
			return err
		}
		_, _, err = client.ProducerID(ctx)
		return err
	case "forge":
		return forge(ctx, bootstrap)
	case "show":
		return show(ctx, bootstrap)
	}
	return fmt.Errorf("%s is none of end, resume, forge, show", args[1])
}

func connect(bootstrap string, options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options, kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(50*time.Millisecond))
	backoff := func(int) time.Duration { return 50 * time.Millisecond }
	return kgo.NewClient(append(options, kgo.RetryBackoffFn(backoff))...)
}

// producer speaks the first protocol, of Kafka 3, or the second, of Kafka 4 (KIP-890).
func producer(bootstrap, id, protocol, timeout string) (*kgo.Client, error) {
	ms, err := strconv.Atoi(timeout)
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{
		kgo.TransactionalID(id), kgo.TransactionTimeout(time.Duration(ms) * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}
	if protocol == "1" {
		options = append(options, kgo.MaxVersions(kversion.V3_8_0()))
	}
	return connect(bootstrap, options...)
}

func end(ctx context.Context, bootstrap string, args []string) error {
	if len(args) != 5 {
		return errors.New("end takes ID PROTOCOL NUMBER commit|abort TIMEOUT_MS")
	}
	id, protocol := args[0], args[1]
	number, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	client, err := producer(bootstrap, id, protocol, args[4])
	if err != nil {
		return err
	}
	if err := client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, place := range places {
		record := &kgo.Record{Topic: place.Topic, Partition: place.Partition, Value: []byte(args[2])}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return fmt.Errorf("produce: %w", err)
		}
	}
	if err := commitOffset(ctx, client, id, protocol, number); err != nil {
		return fmt.Errorf("offset: %w", err)
	}
	if err := client.EndTransaction(ctx, kgo.TransactionEndTry(args[3] == "commit")); err != nil {
		return fmt.Errorf("end: %w", err)
	}
	return nil
}

// commitOffset sends what a group session would send, without being a member.
func commitOffset(ctx context.Context, client *kgo.Client, id, protocol string, number int64) error {
	producer, epoch, err := client.ProducerID(ctx)
	if err != nil {
		return err
	}
	if protocol == "1" {
		add := kmsg.NewPtrAddOffsetsToTxnRequest()
		add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = id, producer, epoch, group
		if err := retried(ctx, func() (int16, error) {
			answer, err := add.RequestWith(ctx, client)
			return code(answer, err, func() int16 { return answer.ErrorCode })
		}); err != nil {
			return fmt.Errorf("add: %w", err)
		}
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = id, producer, epoch, group
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic = "source"
	partition := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	partition.Offset = number
	topic.Partitions = append(topic.Partitions, partition)
	commit.Topics = append(commit.Topics, topic)
	return retried(ctx, func() (int16, error) {
		answer, err := commit.RequestWith(ctx, client)
		return code(answer, err, func() int16 { return answer.Topics[0].Partitions[0].ErrorCode })
	})
}

func code[R any](_ *R, err error, of func() int16) (int16, error) {
	if err != nil {
		return 0, err
	}
	return of(), nil
}

// retried asks until there is an answer that no other try would change.
func retried(ctx context.Context, ask func() (int16, error)) error {
	for {
		answered, err := ask()
		if err == nil {
			err = kerr.ErrorForCode(answered)
			if !kerr.IsRetriable(err) {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// forge is what a broker would do that loses its way between two partitions.
func forge(ctx context.Context, bootstrap string) error {
	client, err := connect(bootstrap)
	if err != nil {
		return err
	}
	described, err := kadm.NewClient(client).DescribeProducers(ctx, kadm.TopicsSet{right: {0: struct{}{}}})
	if err != nil {
		return err
	}
	forged := 0
	for _, found := range described.SortedProducers() {
		if found.CurrentTxnStartOffset < 0 {
			continue
		}
		request := kmsg.NewPtrWriteTxnMarkersRequest()
		marker := kmsg.NewWriteTxnMarkersRequestMarker()
		marker.ProducerID, marker.ProducerEpoch = found.ProducerID, int16(found.ProducerEpoch)
		marker.CoordinatorEpoch = found.CoordinatorEpoch
		marker.Topics = []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: right, Partitions: []int32{0}}}
		request.Markers = append(request.Markers, marker)
		if _, err := client.Request(ctx, request); err != nil {
			return err
		}
		forged++
	}
	if forged != 1 {
		return fmt.Errorf("%d transactions are open on %s", forged, right)
	}
	return nil
}

type view struct {
	// Numbers by topic/partition, in order.
	Records map[string][]int64 `json:"records"`
	// The group's offset, -1 when it has none and -2 while it is undecided.
	Offset int64 `json:"offset"`
	// How much of each partition is undecided.
	Undecided map[string]int64 `json:"undecided"`
}

func show(ctx context.Context, bootstrap string) error {
	client, err := connect(bootstrap)
	if err != nil {
		return err
	}
	admin := kadm.NewClient(client)
	ends, err := admin.ListEndOffsets(ctx, left, right)
	if err != nil {
		return err
	}
	stable, err := admin.ListCommittedOffsets(ctx, left, right)
	if err != nil {
		return err
	}
	seen := view{Records: map[string][]int64{}, Undecided: map[string]int64{}}
	for _, place := range places {
		name := fmt.Sprintf("%s/%d", place.Topic, place.Partition)
		end, _ := ends.Lookup(place.Topic, place.Partition)
		decided, _ := stable.Lookup(place.Topic, place.Partition)
		if err := errors.Join(end.Err, decided.Err); err != nil {
			return err
		}
		seen.Undecided[name] = end.Offset - decided.Offset
		if seen.Records[name], err = read(ctx, bootstrap, place, decided.Offset); err != nil {
			return err
		}
	}
	if seen.Offset, err = offset(ctx, client); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(seen)
}

// read returns the committed numbers before an offset.
func read(ctx context.Context, bootstrap string, place kgo.Record, upto int64) ([]int64, error) {
	numbers := []int64{}
	if upto == 0 {
		return numbers, nil
	}
	start := map[string]map[int32]kgo.Offset{place.Topic: {place.Partition: kgo.NewOffset().AtStart()}}
	client, err := connect(bootstrap, kgo.ConsumePartitions(start), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	// The last record that is decided is a marker, or belongs to what is committed.
	for at := int64(0); at < upto; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("%s/%d at %d of %d: %w", place.Topic, place.Partition, at, upto, err)
		}
		var wrong error
		fetches.EachRecord(func(record *kgo.Record) {
			at = record.Offset + 1
			if record.Attrs.IsControl() {
				return
			}
			number, err := strconv.ParseInt(string(record.Value), 10, 64)
			wrong = errors.Join(wrong, err)
			numbers = append(numbers, number)
		})
		if wrong != nil {
			return nil, wrong
		}
	}
	return numbers, nil
}

func offset(ctx context.Context, client *kgo.Client) (int64, error) {
	request := kmsg.NewPtrOffsetFetchRequest()
	asked := kmsg.NewOffsetFetchRequestGroup()
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.Partitions = "source", []int32{0}
	asked.Group, asked.Topics = group, append(asked.Topics, topic)
	request.Groups, request.RequireStable = append(request.Groups, asked), true
	// By name: an offset may be of a topic that another cluster has.
	answer := client.RequestSharded(ctx, request)
	for _, shard := range answer {
		if shard.Err != nil {
			return 0, shard.Err
		}
		found := shard.Resp.(*kmsg.OffsetFetchResponse).Groups[0]
		if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
			return 0, err
		}
		partition := found.Topics[0].Partitions[0]
		if partition.ErrorCode == kerr.UnstableOffsetCommit.Code {
			return -2, nil
		}
		return partition.Offset, kerr.ErrorForCode(partition.ErrorCode)
	}
	return 0, errors.New("no answer about the group")
}
