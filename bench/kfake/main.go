// kfake as a server: franz-go's fake Kafka on an address of this machine, in memory or on disk.
//
// kfake [--listen 127.0.0.1:PORT] [--data DIR] [--sync]
//
// The first line it prints is `listening on HOST:PORT`. SIGTERM and SIGINT stop it.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

// host is what kfake listens on.
const host = "127.0.0.1"

func main() {
	listen := flag.String("listen", host+":0", "where to listen; port 0 takes any that is free")
	data := flag.String("data", "", "directory to keep everything in; memory without it")
	sync := flag.Bool("sync", false, "fsync every batch")
	flag.Parse()
	if err := serve(*listen, *data, *sync); err != nil {
		fmt.Fprintln(os.Stderr, "kfake:", err)
		os.Exit(1)
	}
}

func serve(listen, data string, sync bool) error {
	name, service, err := net.SplitHostPort(listen)
	if err != nil {
		return err
	}
	if name != host {
		return fmt.Errorf("it listens on %s alone", host)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return err
	}
	// One node, as the brokers beside it.
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.Ports(int(port))}
	if data != "" {
		opts = append(opts, kfake.DataDir(data))
	}
	if sync {
		opts = append(opts, kfake.SyncWrites())
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Println("listening on", cluster.ListenAddrs()[0])
	<-ended
	return nil
}
