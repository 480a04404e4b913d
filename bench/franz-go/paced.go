package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bench/report"

	"github.com/twmb/franz-go/pkg/kgo"
)

// paced sends large records at a steady rate, nothing held back.
func paced(ctx context.Context, args report.Args) error {
	sizes, err := args.Plan()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(args.Bootstrap), kgo.DefaultProduceTopic(args.Topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerLinger(0),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := ready(ctx, client, args); err != nil {
		return err
	}
	var sent tally
	clock, started := report.Start(), time.Now()
	total := 0
	for number, size := range sizes {
		// By the plan and not by the last record, or a late one would slow down all others.
		time.Sleep(time.Until(started.Add(args.Due(number))))
		client.Produce(ctx, &kgo.Record{Value: report.Stamped(number, size)}, sent.promise)
		total += size
	}
	if err := client.Flush(ctx); err != nil {
		return err
	}
	if err := sent.check(len(sizes)); err != nil {
		return err
	}
	settings := map[string]any{"acks": "all", "idempotent": true, "linger_ms": 0}
	return clock.ReportOf(args, "franz-go", version(), settings, report.Seen{Records: len(sizes), Bytes: total}, nil)
}

// follow reads what paced sends, as it comes, until all of it is there or the time is over.
func follow(ctx context.Context, args report.Args) error {
	sizes, err := args.Plan()
	if err != nil {
		return err
	}
	start := map[string]map[int32]kgo.Offset{args.Topic: {0: kgo.NewOffset().AtStart()}}
	client, err := kgo.NewClient(kgo.SeedBrokers(args.Bootstrap), kgo.ConsumePartitions(start))
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return err
	}
	fmt.Println("ready")
	ctx, cancel := context.WithTimeout(ctx, time.Duration(args.Seconds*float64(time.Second)))
	defer cancel()
	arrivals := report.Expect(sizes)
	for arrivals.Left > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if err := arrivals.See(record.Value); err != nil {
				return err
			}
		}
	}
	return arrivals.Report(args, "franz-go", version(), map[string]any{"call": "PollFetches()"})
}
