package main

import (
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// tally counts what was delivered, and keeps the first failure.
type tally struct {
	delivered atomic.Int64
	failed    atomic.Pointer[error]
}

func (t *tally) promise(_ *kgo.Record, err error) {
	if err != nil {
		t.failed.CompareAndSwap(nil, &err)
		return
	}
	t.delivered.Add(1)
}

// check is an error unless all of the records were delivered.
func (t *tally) check(records int) error {
	if err := t.failed.Load(); err != nil {
		return *err
	}
	if delivered := t.delivered.Load(); delivered != int64(records) {
		return fmt.Errorf("%d of %d records have a result", delivered, records)
	}
	return nil
}
