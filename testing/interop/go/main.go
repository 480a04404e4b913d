// Prints every record of a topic, partition by partition, as one line of tab-separated fields:
// partition, offset, timestamp, key, value, headers. Bytes are in Base64, `-` is null, headers are
// `name=value` separated by commas.
//
// dump BOOTSTRAP TOPIC
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 60 * time.Second

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(bootstrap, topic string) error {
	seeds := kgo.SeedBrokers(strings.Split(bootstrap, ",")...)
	client, err := kgo.NewClient(seeds)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	var partitions []int
	for partition := range ends[topic] {
		partitions = append(partitions, int(partition))
	}
	sort.Ints(partitions)
	for _, partition := range partitions {
		end := ends[topic][int32(partition)]
		if end.Err != nil {
			return end.Err
		}
		if err := dump(seeds, topic, int32(partition), end.Offset, out); err != nil {
			return err
		}
	}
	return nil
}

func dump(seeds kgo.Opt, topic string, partition int32, end int64, out *bufio.Writer) error {
	start := map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}
	client, err := kgo.NewClient(seeds, kgo.ConsumePartitions(start))
	if err != nil {
		return err
	}
	defer client.Close()
	for next := int64(0); next < end; {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		fetches := client.PollFetches(ctx)
		cancel()
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("partition %d before offset %d: %w", partition, end, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			next = record.Offset + 1
			fmt.Fprintln(out, line(record))
		})
	}
	return nil
}

func line(record *kgo.Record) string {
	headers := make([]string, 0, len(record.Headers))
	for _, header := range record.Headers {
		headers = append(headers, header.Key+"="+text(header.Value))
	}
	return fmt.Sprintf("%d\t%d\t%d\t%s\t%s\t%s", record.Partition, record.Offset,
		record.Timestamp.UnixMilli(), text(record.Key), text(record.Value), strings.Join(headers, ","))
}

func text(bytes []byte) string {
	if bytes == nil {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(bytes)
}
