package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// topicPatience is how long a fresh topic may take until it can be written.
	topicPatience = 15 * time.Second
	// pause is the time between two looks.
	pause = 50 * time.Millisecond
	// requestMillis is what the broker gets for creating and deleting.
	requestMillis = 10_000
)

// topic is one partition of its own for one run.
type topic struct {
	name  string
	admin *kgo.Client
}

// newTopic creates one and waits until its partition answers.
func newTopic(ctx context.Context, a args) (*topic, error) {
	admin, err := kgo.NewClient(kgo.SeedBrokers(a.bootstrap))
	if err != nil {
		return nil, err
	}
	t := &topic{fmt.Sprintf("load-%s-%d", a.name, time.Now().UnixNano()), admin}
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = t.name, 1, 1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics, request.TimeoutMillis = append(request.Topics, wanted), requestMillis
	answer, err := request.RequestWith(ctx, admin)
	if err != nil {
		return nil, err
	}
	for _, created := range answer.Topics {
		if err := kerr.ErrorForCode(created.ErrorCode); err != nil {
			return nil, fmt.Errorf("create %s: %w", t.name, err)
		}
	}
	deadline := time.Now().Add(topicPatience)
	for {
		_, err := t.end(ctx)
		if err == nil {
			return t, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("topic %s does not answer: %w", t.name, err)
		}
		time.Sleep(pause)
	}
}

// end is the offset after the last record.
func (t *topic) end(ctx context.Context) (int64, error) {
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Timestamp = -1
	wanted := kmsg.NewListOffsetsRequestTopic()
	wanted.Topic, wanted.Partitions = t.name, append(wanted.Partitions, partition)
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.Topics = -1, append(request.Topics, wanted)
	answer, err := request.RequestWith(ctx, t.admin)
	if err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, errors.New("an answer for one partition was expected")
	}
	listed := answer.Topics[0].Partitions[0]
	return listed.Offset, kerr.ErrorForCode(listed.ErrorCode)
}

// check fails unless the topic holds exactly this many records: an acknowledgement alone is only the broker's word.
func (t *topic) check(ctx context.Context, records int) error {
	end, err := t.end(ctx)
	if err != nil {
		return err
	}
	if end != int64(records) {
		return fmt.Errorf("%d records were sent, the log ends at %d", records, end)
	}
	return nil
}

// drop deletes the topic, so that its records do not weigh on the next run.
func (t *topic) drop(ctx context.Context) error {
	defer t.admin.Close()
	wanted := kmsg.NewDeleteTopicsRequestTopic()
	wanted.Topic = kmsg.StringPtr(t.name)
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames, request.TimeoutMillis = []string{t.name}, requestMillis
	request.Topics = append(request.Topics, wanted)
	answer, err := request.RequestWith(ctx, t.admin)
	if err != nil {
		return err
	}
	for _, deleted := range answer.Topics {
		if err := kerr.ErrorForCode(deleted.ErrorCode); err != nil {
			return fmt.Errorf("delete %s: %w", t.name, err)
		}
	}
	return nil
}
