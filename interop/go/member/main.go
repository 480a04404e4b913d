// A member of a group that writes down what it does, until SIGTERM; for `cargo xtask chaos groups`.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Records of one poll at most.
const together = 500

type member struct {
	events *os.File
	// Processed, not yet committed.
	uncommitted map[string]map[int32]kgo.EpochOffset
}

func (m *member) say(what string) {
	if _, err := fmt.Fprintf(m.events, "%d %s\n", time.Now().UnixMicro(), what); err != nil {
		log.Fatal(err)
	}
}

func (m *member) sayOf(what string, partitions map[string][]int32) {
	var names []string
	for topic, numbers := range partitions {
		for _, number := range numbers {
			names = append(names, fmt.Sprintf("%s:%d", topic, number))
		}
	}
	if len(names) > 0 {
		m.say(what + " " + strings.Join(names, ","))
	}
}

func (m *member) process(fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) { log.Print(topic, partition, err) })
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 {
			return
		}
		first, last := p.Records[0], p.Records[len(p.Records)-1]
		m.say(fmt.Sprintf("processed %s:%d %d %d", p.Topic, p.Partition, first.Offset, last.Offset))
		if m.uncommitted[p.Topic] == nil {
			m.uncommitted[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		m.uncommitted[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}
	})
}

func (m *member) commit(ctx context.Context, client *kgo.Client) {
	if len(m.uncommitted) == 0 {
		return
	}
	done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if err != nil {
			log.Print(err)
			return
		}
		for _, topic := range answer.Topics {
			for _, partition := range topic.Partitions {
				if partition.ErrorCode != 0 {
					log.Print("commit: ", topic.Topic, partition.Partition, partition.ErrorCode)
					continue
				}
				to := m.uncommitted[topic.Topic][partition.Partition].Offset
				m.say(fmt.Sprintf("committed %s:%d %d", topic.Topic, partition.Partition, to))
				delete(m.uncommitted[topic.Topic], partition.Partition)
				if len(m.uncommitted[topic.Topic]) == 0 {
					delete(m.uncommitted, topic.Topic)
				}
			}
		}
	}
	client.CommitOffsetsSync(ctx, m.uncommitted, done)
}

func main() {
	flags := map[string]string{}
	for n := 1; n+1 < len(os.Args); n += 2 {
		flags[strings.TrimPrefix(os.Args[n], "--")] = os.Args[n+1]
	}
	events, err := os.Create(flags["events"])
	if err != nil {
		log.Fatal(err)
	}
	m := &member{events: events, uncommitted: map[string]map[int32]kgo.EpochOffset{}}
	client, err := kgo.NewClient(m.settings(flags)...)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		m.process(client.PollRecords(ctx, together))
		m.commit(context.Background(), client)
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
	m.say("left")
}

func (m *member) settings(flags map[string]string) []kgo.Opt {
	settings := []kgo.Opt{
		kgo.SeedBrokers(flags["bootstrap-server"]),
		kgo.ConsumerGroup(flags["group"]),
		kgo.ConsumeTopics(flags["topic"]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// No partition goes while its records are being processed.
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.sayOf("assigned", partitions)
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
			m.commit(ctx, client)
			m.sayOf("revoked", partitions)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			for topic, numbers := range partitions {
				for _, number := range numbers {
					delete(m.uncommitted[topic], number)
				}
			}
			m.sayOf("lost", partitions)
		}),
	}
	if instance, static := flags["instance"]; static {
		settings = append(settings, kgo.InstanceID(instance))
	}
	if flags["protocol"] == "consumer" {
		return append(settings, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	timeout, err := strconv.Atoi(flags["session-timeout-ms"])
	if err != nil {
		log.Fatal(err)
	}
	balancer := map[string]kgo.GroupBalancer{
		"range":              kgo.RangeBalancer(),
		"sticky":             kgo.StickyBalancer(),
		"cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}[flags["assignor"]]
	return append(settings, kgo.Balancers(balancer), kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.SessionTimeout(time.Duration(timeout)*time.Millisecond))
}
