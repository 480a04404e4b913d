// A gateway of gin and confluent-kafka-go, which is librdkafka.
//
//	gin-confluent-go --listen 127.0.0.1:0 --bootstrap-server H:P --topic T --way async|wait
//
// async answers 202 once the record is in the client's memory, wait once Kafka has acknowledged it, with a linger of 5 ms
// and idempotence. A full queue is a 503 in both.
package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"bench/publish"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

const (
	buffered = 10_000
	// patience is how long what is in memory may take to be sent in the end, in milliseconds.
	patience = 10_000
	// told is how many failed deliveries are worth a line each.
	told = 5
)

func main() {
	if err := run(publish.Parse("async")); err != nil {
		fmt.Fprintln(os.Stderr, "gin-confluent-go:", err)
		os.Exit(1)
	}
}

func run(args publish.Args) error {
	settings := kafka.ConfigMap{
		"bootstrap.servers":            args.Bootstrap,
		"acks":                         "all",
		"queue.buffering.max.messages": buffered,
		"go.logs.channel.enable":       false,
		"log_level":                    3,
	}
	switch args.Way {
	case "async":
		settings["linger.ms"], settings["retries"] = 100, 10
	case "wait":
		settings["linger.ms"], settings["enable.idempotence"] = 5, true
	default:
		return fmt.Errorf("--way %s: async or wait", args.Way)
	}
	producer, err := kafka.NewProducer(&settings)
	if err != nil {
		return err
	}
	defer producer.Close()
	go drain(producer)
	topic := args.Topic
	send := func(_ context.Context, key, value []byte) error {
		message := &kafka.Message{
			TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
			Key:            key,
			Value:          value,
		}
		if args.Way == "async" {
			return producer.Produce(message, nil)
		}
		delivered := make(chan kafka.Event, 1)
		if err := producer.Produce(message, delivered); err != nil {
			return err
		}
		if m, ok := (<-delivered).(*kafka.Message); ok {
			return m.TopicPartition.Error
		}
		return fmt.Errorf("no delivery")
	}
	if err := publish.Serve(args.Listen, send); err != nil {
		return err
	}
	if left := producer.Flush(patience); left > 0 {
		return fmt.Errorf("%d records are not delivered", left)
	}
	return nil
}

// drain takes the deliveries nobody waits for.
func drain(producer *kafka.Producer) {
	var failed atomic.Int64
	for event := range producer.Events() {
		if m, ok := event.(*kafka.Message); ok && m.TopicPartition.Error != nil && failed.Add(1) <= told {
			fmt.Fprintln(os.Stderr, "delivery:", m.TopicPartition.Error)
		}
	}
}
