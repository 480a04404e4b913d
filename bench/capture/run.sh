#!/bin/sh
# Captures every client with every codec through the proxy and keeps one frame of each kind.
#
#   run.sh PROXY BROKER TOPIC OUT
#
# PROXY is the address the broker advertises, BROKER the one it listens on, TOPIC an existing topic, OUT
# where the kept files go. Whatever else was captured stays under target/raw/.
set -eu
proxy=$1 broker=$2 topic=$3
mkdir -p "$4"
out=$(cd "$4" && pwd)
cd "$(dirname "$0")"
raw=target/raw

build() {
    cargo build --quiet --manifest-path proxy/Cargo.toml --target-dir target
    (cd java && mvn -q dependency:copy-dependencies -DoutputDirectory=target/libs)
    (cd go && go build -p 1 -o bin/capture .)
    [ -x python/venv/bin/python ] || python3 -m venv python/venv
    python/venv/bin/pip install --quiet -r python/requirements.txt
}

produce() { # CLIENT CODEC
    set -- "$1" "$proxy" "$topic" "$2" records.tsv
    client=$1
    shift
    case $client in
    java) java -Xmx128m -cp 'java/target/libs/*' java/Capture.java "$@" ;;
    librdkafka) python/venv/bin/python python/capture.py "$@" ;;
    franz-go) go/bin/capture "$@" ;;
    esac
}

capture() { # CLIENT CODEC
    dir=$raw/$1/$2
    rm -rf "$dir"
    mkdir -p "$dir"
    : >"$dir.log"
    target/debug/capture-proxy --listen "$proxy" --to "$broker" --out "$dir" --seconds 120 >"$dir.log" 2>&1 &
    pid=$!
    until grep -q listening "$dir.log"; do
        kill -0 "$pid" || exit 1
        sleep 0.1
    done
    done=0
    produce "$1" "$2" >"$dir.offsets" || done=$?
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    [ "$done" = 0 ]
}

keep() { # CLIENT CODEC: of each kind the last that was answered, which for Metadata is one that names the topic
    mkdir -p "$out/$1"
    for response in "$raw/$1/$2"/*-response.bin; do
        exchange=${response%-response.bin}
        kind=${exchange##*/}
        kind=${kind#*-*-}
        case $kind in
        Produce-*) cp "$exchange-request.bin" "$out/$1/$kind-$2.bin" ;;
        Api[0-9]*) continue ;;
        *) [ "$2" != none ] || cp "$exchange-request.bin" "$out/$1/$kind.bin" ;;
        esac
        [ "$2" != none ] || cp "$response" "$out/$1/$kind-response.bin"
    done
}

build
for client in java librdkafka franz-go; do
    rm -rf "${out:?}/$client"
    for codec in none gzip snappy lz4 zstd; do
        capture "$client" "$codec"
        keep "$client" "$codec"
    done
done
