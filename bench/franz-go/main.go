// franz-go's part in the comparison: idempotent, acks=all, a callback for every record.
//
// bench produce|latency|consume --bootstrap H:P --topic T --records N --size S --partitions P --api default|best --compression none|lz4 --payloads FILE
// bench paced|follow --bootstrap H:P --topic T --sizes FILE --rate R --seconds S
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"bench/report"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// batchBytes is the client's own limit for a batch; larger records need a larger one.
	batchBytes = 1_000_012
	// recordOverhead is more than a batch with one record without headers adds to its value.
	recordOverhead = 128
	// bufferedBytes is what `best` lets wait for the broker, counted in records of one size.
	bufferedBytes = 128 << 20
	// slab is how many records `best` allocates at once.
	slab = 1000
	// metadataPatience is how long a topic may take to be known.
	metadataPatience = 10 * time.Second
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), report.Patience)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "franz-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	args, err := report.Parse()
	if err != nil {
		return err
	}
	switch args.Mode {
	case "consume":
		return consume(ctx, args)
	case "paced":
		return paced(ctx, args)
	case "follow":
		return follow(ctx, args)
	}
	pool, err := args.Pool()
	if err != nil {
		return err
	}
	settings := map[string]any{"acks": "all", "idempotent": true, "result": "callback per record"}
	client, err := kgo.NewClient(options(args, settings)...)
	if err != nil {
		return err
	}
	defer client.Close()
	if args.Mode == "latency" {
		return latency(ctx, client, args, pool, settings)
	}
	return produce(ctx, client, args, pool, settings)
}

// options returns what the client is made with, and notes in settings what differs from its defaults.
func options(args report.Args, settings map[string]any) []kgo.Opt {
	// Its default prefers snappy, which would be another row.
	codec := kgo.NoCompression()
	if args.Compression == "lz4" {
		codec = kgo.Lz4Compression()
	}
	limit := max(batchBytes, args.Size+recordOverhead)
	opts := []kgo.Opt{
		kgo.SeedBrokers(args.Bootstrap),
		kgo.DefaultProduceTopic(args.Topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytes(int32(limit)),
	}
	settings["batch_max_bytes"] = limit
	switch {
	case !args.Best():
	case args.Mode == "latency":
		settings["linger_ms"] = 0
		opts = append(opts, kgo.ProducerLinger(0))
	default:
		opts = append(opts, tuned(args, settings)...)
	}
	return opts
}

// tuned returns what makes the client fastest in `produce`, and makes the garbage collector rest longer.
func tuned(args report.Args, settings map[string]any) []kgo.Opt {
	debug.SetGCPercent(400)
	buffered := max(slab, bufferedBytes/args.Size)
	settings["linger_ms"], settings["gogc"] = 20, 400
	settings["max_buffered_records"], settings["records_allocated"] = buffered, "by the thousand"
	opts := []kgo.Opt{kgo.ProducerLinger(20 * time.Millisecond), kgo.MaxBufferedRecords(buffered)}
	if args.Partitions > 1 {
		settings["partitioner"] = "uniform bytes, 256 KiB, adaptive"
		opts = append(opts, kgo.RecordPartitioner(kgo.UniformBytesPartitioner(256<<10, true, true, nil)))
	}
	return opts
}

// ready returns when the client knows the topic and has its producer id.
//
// The client learns about a topic from the first record for it alone, and a counted record must not be that one: a
// record too large for any batch makes it ask, and is refused before it is sent.
func ready(ctx context.Context, client *kgo.Client, args report.Args) error {
	if _, _, err := client.ProducerID(ctx); err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	oversized := make([]byte, 2*max(batchBytes, args.Size))
	deadline := time.Now().Add(metadataPatience)
	for {
		err := client.ProduceSync(ctx, &kgo.Record{Value: oversized}).FirstErr()
		if errors.Is(err, kerr.MessageTooLarge) {
			return nil
		}
		// A broker may need a moment to know of a new topic.
		if !errors.Is(err, kerr.UnknownTopicOrPartition) || time.Now().After(deadline) {
			return fmt.Errorf("topic %s: %w", args.Topic, err)
		}
	}
}

func produce(ctx context.Context, client *kgo.Client, args report.Args, pool [][]byte, settings map[string]any) error {
	if err := ready(ctx, client, args); err != nil {
		return err
	}
	var sent tally
	next := one
	if args.Best() {
		next = many()
	}
	clock := report.Start()
	for i := range args.Records {
		record := next()
		record.Value = pool[i%len(pool)]
		client.Produce(ctx, record, sent.promise)
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := sent.check(args.Records); err != nil {
		return err
	}
	return clock.Report(args, "franz-go", version(), settings, nil)
}

func one() *kgo.Record { return new(kgo.Record) }

// many hands out records that are allocated together.
func many() func() *kgo.Record {
	var left []kgo.Record
	return func() *kgo.Record {
		if len(left) == 0 {
			left = make([]kgo.Record, slab)
		}
		record := &left[0]
		left = left[1:]
		return record
	}
}

func latency(ctx context.Context, client *kgo.Client, args report.Args, pool [][]byte, settings map[string]any) error {
	settings["send"] = "one record, awaited"
	latencies := make([]time.Duration, 0, args.Records)
	clock := report.Start()
	for i := range args.Records + report.WarmUp {
		if i == report.WarmUp {
			clock = report.Start()
		}
		sent := time.Now()
		if err := client.ProduceSync(ctx, &kgo.Record{Value: pool[i%len(pool)]}).FirstErr(); err != nil {
			return err
		}
		if i >= report.WarmUp {
			latencies = append(latencies, time.Since(sent))
		}
	}
	return clock.Report(args, "franz-go", version(), settings, latencies)
}

// consume reads the topic from its beginning, without a group.
func consume(ctx context.Context, args report.Args) error {
	starts := make(map[int32]kgo.Offset, args.Partitions)
	for partition := range args.Partitions {
		starts[int32(partition)] = kgo.NewOffset().AtStart()
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(args.Bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{args.Topic: starts}),
	}
	settings := map[string]any{"crc": "checked", "fetch_max_partition_bytes": 1 << 20}
	if args.Best() {
		debug.SetGCPercent(400)
		opts = append(opts, kgo.FetchMaxPartitionBytes(5<<20), kgo.MaxConcurrentFetches(3))
		settings["fetch_max_partition_bytes"], settings["max_concurrent_fetches"], settings["gogc"] = 5<<20, 3, 400
	}
	clock := report.Start()
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	var seen report.Seen
	for seen.Records < args.Records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			seen.Records++
			seen.Bytes += len(record.Value)
		})
	}
	if err := seen.Check(args); err != nil {
		return err
	}
	return clock.Report(args, "franz-go", version(), settings, nil)
}

func version() string { return report.Version("github.com/twmb/franz-go") }
