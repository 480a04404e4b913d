// A gateway of gin and franz-go.
//
//	gin-franz-go --listen 127.0.0.1:0 --bootstrap-server H:P --topic T --way noop|async|sync
//
// async answers 202 once the record is in the client's memory, sync once Kafka has acknowledged it, and noop parses the
// body and sends nothing. The settings are those of an endpoint for high load as its author published it: acks of all
// replicas without idempotence, 10,000 records in memory, batches of 10 MiB, 100 ms of linger, ten tries.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"bench/publish"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	batchBytes = 10 << 20
	buffered   = 10_000
	linger     = 100 * time.Millisecond
	tries      = 10
	// patience is how long what is in memory may take to be sent in the end.
	patience = 10 * time.Second
	// told is how many failed deliveries are worth a line each.
	told = 5
)

func main() {
	if err := run(publish.Parse("async")); err != nil {
		fmt.Fprintln(os.Stderr, "gin-franz-go:", err)
		os.Exit(1)
	}
}

func run(args publish.Args) error {
	if args.Way == "noop" {
		return publish.Serve(args.Listen, func(context.Context, []byte, []byte) error { return nil })
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(args.Bootstrap),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.DisableIdempotentWrite(),
		kgo.MaxBufferedRecords(buffered),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerLinger(linger),
		kgo.RecordRetries(tries),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	var send publish.Send
	switch args.Way {
	case "async":
		send = async(client, args.Topic)
	case "sync":
		send = func(ctx context.Context, key, value []byte) error {
			return client.ProduceSync(ctx, &kgo.Record{Topic: args.Topic, Key: key, Value: value}).FirstErr()
		}
	default:
		return fmt.Errorf("--way %s: noop, async or sync", args.Way)
	}
	if err := publish.Serve(args.Listen, send); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return client.Flush(ctx)
}

// async waits for nothing: the context of a request ends with it and would take the record along.
func async(client *kgo.Client, topic string) publish.Send {
	var failed atomic.Int64
	return func(_ context.Context, key, value []byte) error {
		record := &kgo.Record{Topic: topic, Key: key, Value: value}
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err != nil && failed.Add(1) <= told {
				fmt.Fprintln(os.Stderr, "delivery:", err)
			}
		})
		return nil
	}
}
