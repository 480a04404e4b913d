package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	. "interop/scenario"
)

// shared is what members of a share group did with the records: two of them process every one once, but for what they
// give back.
type shared struct {
	accepted   map[int]bool
	deliveries map[int]int32
}

const (
	sharedRecords = 60
	rejected      = 7
)

func share(bootstrap string) string {
	ctx, cancel := within()
	defer cancel()
	name := Unique("franz-share")
	create(bootstrap, name, Partitions)
	fromTheStart(ctx, bootstrap, name)
	send(producer(bootstrap), name, Numbered(0, sharedRecords, Partitions))
	state := shared{map[int]bool{}, map[int]int32{}}
	join := func() *kgo.Client {
		return connect(bootstrap, kgo.ConsumeTopics(name), kgo.ShareGroup(name), kgo.FetchMaxWait(200*time.Millisecond))
	}
	one, two := join(), join()
	Until("all records", func() bool {
		state.poll(ctx, one)
		state.poll(ctx, two)
		return len(state.accepted) == sharedRecords-1
	})
	for number := range sharedRecords {
		again := number%10 == 0
		Check(state.deliveries[number] >= 1 && (!again || state.deliveries[number] >= 2),
			"%d was delivered %d times", number, state.deliveries[number])
	}
	Check(!state.accepted[rejected], "what was rejected came again")
	admin := kadm.NewClient(connect(bootstrap))
	described, err := admin.DescribeShareGroups(ctx, name)
	Need(err, "describe the share group")
	Equal(len(described[name].Members), 2, "members of the share group")
	one.Close()
	two.Close()
	offsets, err := admin.DescribeShareGroupOffsets(ctx, name)
	Need(err, "offsets of the share group")
	for partition := range int32(Partitions) {
		offset, _ := offsets[name].Offsets.Lookup(name, partition)
		// The start offset may be behind: Kafka moves it with the next acknowledgement.
		Equal(offset.Lag, int64(0), fmt.Sprint("lag of partition ", partition))
	}
	_, err = admin.DeleteGroup(ctx, name)
	Need(err, "delete the share group")
	return ""
}

func (s *shared) poll(ctx context.Context, client *kgo.Client) {
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	client.PollRecords(ctx, 10).EachRecord(func(record *kgo.Record) {
		number, err := strconv.Atoi(string(record.Value))
		Need(err, "the number of a record")
		s.deliveries[number] = max(s.deliveries[number], record.DeliveryCount())
		switch {
		case number == rejected:
			record.Ack(kgo.AckReject)
		case number%10 == 0 && record.DeliveryCount() == 1:
			record.Ack(kgo.AckRelease)
		default:
			record.Ack(kgo.AckAccept)
			Check(!s.accepted[number], "%d came again after it was accepted", number)
			s.accepted[number] = true
		}
	})
	flush, cancelFlush := within()
	defer cancelFlush()
	Need(client.FlushAcks(flush), "acknowledge")
}

func fromTheStart(ctx context.Context, bootstrap, group string) {
	request := kmsg.NewPtrIncrementalAlterConfigsRequest()
	resource := kmsg.NewIncrementalAlterConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	config.Name, config.Value = "share.auto.offset.reset", kmsg.StringPtr("earliest")
	resource.Configs = append(resource.Configs, config)
	request.Resources = append(request.Resources, resource)
	response, err := request.RequestWith(ctx, connect(bootstrap))
	Need(err, "where the group begins")
	Equal(response.Resources[0].ErrorCode, int16(0), "where the group begins")
}
