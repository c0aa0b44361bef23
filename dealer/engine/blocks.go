package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The server writes the entries of a stream into blocks, files that are named
// by a number. A record in them begins with its length, and ends with a
// checksum.
const (
	recordHeader   = 22       // length, number, time, length of the subject
	recordChecksum = 8        // behind the data
	maxRecord      = 32 << 20 // beyond it the server takes a length for damage
	headersBit     = 1 << 31  // of the length: there are headers
)

// checkBlocks looks for records in dir's store whose lengths cannot be right,
// and changes nothing. A server that comes upon one drops it with all that
// follows, says so in its log alone, and goes on: what it dropped is gone from
// then on. Damage that leaves the lengths as they are is noticed when the
// entries are read.
func checkBlocks(dir string) error {
	streams, err := filepath.Glob(filepath.Join(dir, "store", "jetstream", "*", "streams", "*", "msgs"))
	if err != nil {
		return err
	}
	for _, stream := range streams {
		blocks, err := filepath.Glob(filepath.Join(stream, "*.blk"))
		if err != nil {
			return err
		}
		slices.SortFunc(blocks, func(a, b string) int { return cmp.Compare(blockNumber(a), blockNumber(b)) })
		for i, path := range blocks {
			data, err := os.ReadFile(path) //nolint:gosec // in the operator's directory
			if err != nil {
				return directoryError(dir, err)
			}
			if at, ok := checkBlock(data, i == len(blocks)-1); !ok {
				return damaged(dir, fmt.Errorf("%s, byte %d", path, at))
			}
		}
	}
	return nil
}

func blockNumber(path string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".blk")) // others come first
	return n
}

// checkBlock returns whether the records of a block fill it, or where they do
// not. The last block of a stream may end in the middle of a record: nobody was
// told that it was stored.
func checkBlock(data []byte, last bool) (at int, ok bool) {
	for at < len(data) {
		rest := data[at:]
		if last && (len(rest) < recordHeader || len(bytes.TrimLeft(rest, "\x00")) == 0) {
			return 0, true
		}
		if len(rest) < recordHeader {
			return at, false
		}
		size := int(binary.LittleEndian.Uint32(rest) &^ headersBit)
		subject := int(binary.LittleEndian.Uint16(rest[recordHeader-2:]))
		switch {
		case size > maxRecord || size < recordHeader+subject+recordChecksum:
			return at, false
		case size > len(rest):
			return at, last
		}
		at += size
	}
	return 0, true
}
